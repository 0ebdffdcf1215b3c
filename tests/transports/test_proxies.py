"""Which proxy, if any: the rules of the environment, without a network."""

from collections.abc import Mapping

import pytest

from seqsend.endpoints import parse_address
from seqsend.errors import UsageError
from seqsend.transports.proxies import proxy_for

PROXY = "http://proxy.example:3128"


def place(url: str, environ: Mapping[str, str]) -> str | None:
    proxy = proxy_for(parse_address(url), environ)
    return None if proxy is None else proxy.place


@pytest.mark.parametrize(
    ("url", "environ", "expected"),
    [
        ("http://seq1", {}, None),
        ("http://seq1", {"HTTP_PROXY": "http://p:1"}, "p:1"),
        ("http://seq1", {"http_proxy": "http://p:1"}, "p:1"),
        ("http://seq1", {"HTTP_PROXY": "p:1"}, "p:1"),
        ("http://seq1", {"HTTP_PROXY": "p"}, "p:80"),
        ("http://seq1", {"HTTP_PROXY": "https://p"}, "p:443"),
        ("http://seq1", {"HTTP_PROXY": "http://[fd00::1]:1/"}, "[fd00::1]:1"),
        ("http://seq1", {"HTTP_PROXY": "http://big:1", "http_proxy": "http://small:1"}, "small:1"),
        ("http://seq1", {"HTTP_PROXY": "http://big:1", "http_proxy": ""}, None),
        ("http://seq1", {"HTTP_PROXY": " \r", "ALL_PROXY": "http://all:1\r"}, "all:1"),
        ("http://seq1", {"HTTPS_PROXY": "http://p:1"}, None),
        ("https://seq1", {"HTTPS_PROXY": "http://p:1", "HTTP_PROXY": "http://q:1"}, "p:1"),
        ("ws://seq1", {"HTTP_PROXY": "http://p:1"}, "p:1"),
        ("wss://seq1", {"HTTPS_PROXY": "http://p:1"}, "p:1"),
        ("https://seq1", {"ALL_PROXY": "http://all:1"}, "all:1"),
        # CVE-2016-5385: a CGI program has the header "Proxy" of a request in HTTP_PROXY.
        ("http://seq1", {"HTTP_PROXY": "http://evil:1", "REQUEST_METHOD": "GET"}, None),
        ("http://seq1", {"http_proxy": "http://p:1", "REQUEST_METHOD": "GET"}, "p:1"),
    ],
)
def test_which_variable_decides(url: str, environ: dict[str, str], expected: str | None) -> None:
    assert place(url, environ) == expected


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.1", "127.255.255.254", "0x7f.1", "0177.0.0.1", "2130706433", "0.0.0.0", "0"]
    + ["localhost", "LocalHost", "localhost.", "seq1.localhost", "ip6-localhost"]
    + ["[::1]", "[0:0::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::ffff:0.0.0.0]"]
    + ["[fe80::1%25eth0]"],  # its zone is this machine's
)
@pytest.mark.parametrize("scheme", ["http", "https", "ws", "wss"])
def test_this_machine_is_never_reached_through_a_proxy(scheme: str, host: str) -> None:
    assert place(f"{scheme}://{host}:8545", {"ALL_PROXY": PROXY}) is None


@pytest.mark.parametrize("host", ["128.0.0.1", "localhost.example", "127.example", "[::2]"])
def test_a_host_that_only_looks_like_this_machine_gets_a_proxy(host: str) -> None:
    assert place(f"http://{host}", {"ALL_PROXY": PROXY}) == "proxy.example:3128"


DIRECT = [
    ("http://seq.corp.example", "*.corp.example"),
    ("http://a.seq.corp.example", "*.corp.example"),
    ("http://seq.corp.example", ".corp.example"),
    ("http://seq.corp.example", "corp.example"),
    ("http://corp.example", "corp.example"),
    ("http://Corp.Example.", "CORP.example."),
    ("http://seq1", "other, seq1"),
    ("http://seq1", "other seq1"),
    ("http://seq1", "*"),
    ("http://seq1:8545", "seq1:8545"),
    ("https://seq1", "seq1:443"),
    ("http://10.1.2.3", "10.0.0.0/8"),
    ("http://10.1.2.3", "10.1.2.3"),
    ("http://10.1.2.3:8545", "10.1.2.3:8545"),
    ("http://10.1", "10.0.0.0/8"),
    ("http://[::ffff:10.1.2.3]", "10.0.0.0/8"),
    ("http://[fd00::12]", "fd00::/16"),
    ("http://[fd00::12]", "[fd00::12]"),
    ("http://[fd00::12]:80", "[fd00:0::12]:80"),
    ("http://[fd00::12]", "fd00::12"),
]
PROXIED = [
    ("http://corp.example", "*.corp.example"),
    ("http://corp.example", ".corp.example"),
    ("http://evilcorp.example", "corp.example"),
    ("http://seq1:8545", "seq1:8546"),
    ("http://11.1.2.3", "10.0.0.0/8"),
    ("http://10.1.2.3.example", "10.1.2.3"),
    ("http://[fd01::12]", "fd00::/16"),
    ("http://seq1", ""),
    ("http://seq1", " , "),
    ("http://seq1", "10.0.0.0/99,[,:,:80,/"),
]


@pytest.mark.parametrize(
    ("url", "entries", "is_direct"),
    [(*case, True) for case in DIRECT] + [(*case, False) for case in PROXIED],
)
def test_no_proxy_names_the_hosts_to_reach_directly(
    url: str,
    entries: str,
    is_direct: bool,  # noqa: FBT001
) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        assert (place(url, {"ALL_PROXY": PROXY, name: entries}) is None) == is_direct


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
@pytest.mark.parametrize(
    "value",
    ["http://:3128", "http://proxy:99999", "http://[::1:3128", "http://pro xy:1", "http://"]
    + ["socks5://proxy:1080", "socks5://user:s3cret@proxy:1080", "ftp://proxy", ":3128", "pro xy"]
    + ["http://user:s3cret@:3128", "http://u:s3cret@proxy:0", "http://proxy:0x50"],
)
def test_a_proxy_that_cannot_be_used_is_a_usage_error_that_names_the_variable(
    variable: str, value: str
) -> None:
    with pytest.raises(UsageError) as caught:
        place("http://seq1", {variable: value})
    assert str(caught.value).startswith(f"{variable}: ")
    assert "s3cret" not in str(caught.value)
    # A proxy that is not used does not matter.
    assert place("http://localhost", {variable: value}) is None
    assert place("http://seq1", {variable: value, "NO_PROXY": "seq1"}) is None
