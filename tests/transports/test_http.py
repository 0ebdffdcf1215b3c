"""The HTTP transport on real sockets: deadlines that hold, and the truth about delivery."""

import gzip
import json
import logging
import socket
import threading
import time
import zlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqsend import CallError, SequencerClient, UsageError, check
from seqsend.models import Attempt
from tests.support.certificates import Authority, Kind
from tests.support.node import Anvil
from tests.support.servers import (
    Closing,
    Dripping,
    Replying,
    Request,
    Server,
    Silent,
    StallingTLS,
    blackhole,
    dead,
    http,
    jsonrpc_result,
)
from tests.support.wallet import Wallet

OVERRUN = 0.25  # seconds that the contract allows past a deadline


def answer(request: Request) -> bytes:
    return jsonrpc_result(request, "0x1")


def one_attempt(url: str, **options: Any) -> Attempt:
    """Make a call that asks one endpoint, and return its attempt."""
    with SequencerClient(url, **options) as client:
        try:
            (attempt,) = client.request("eth_chainId").attempts
        except CallError as error:
            (attempt,) = error.attempts
    return attempt


def test_a_connection_is_kept_alive() -> None:
    with Replying(answer) as server, SequencerClient(server.url) as client:
        attempts = [client.request("eth_chainId").attempts[0] for _ in range(5)]
        assert server.connections == 1
    assert "dial" in attempts[0].timings
    assert all(set(a.timings) == {"send", "answer"} for a in attempts[1:])


def test_a_kept_connection_that_the_server_has_closed_is_replaced() -> None:
    """Otherwise a request would fail on it, and nobody could say whether it was delivered."""

    with Replying(answer) as server, SequencerClient(server.url) as client:
        client.request("eth_chainId")
        server.drop_connections()
        assert client.request("eth_chainId").attempts[0].outcome == "answered"
        assert server.connections == 2


def test_a_connection_that_was_idle_for_long_is_replaced(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Servers close idle connections: a request must not cross such a close."""
    with Replying(answer) as server, SequencerClient(server.url) as client:
        client.request("eth_chainId")
        monkeypatch.setattr("seqsend.transports.connections.LONGEST_IDLE", 0.0)
        assert "dial" in client.request("eth_chainId").attempts[0].timings


def test_threads_share_the_pool() -> None:
    with Replying(answer) as server, SequencerClient(server.url) as client:
        results: list[object] = []
        threads = [
            threading.Thread(
                target=lambda: results.extend(client.request("m").result for _ in range(10))
            )
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert results == ["0x1"] * 80
        assert server.connections <= 8


SLOW: list[tuple[str, Callable[[], AbstractContextManager[Any]], str, str]] = [
    ("no SYN is answered", blackhole, "dial", "no"),
    ("nothing is answered", Silent, "answer", "unknown"),
    (
        "the headers drip",
        lambda: Dripping(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 99, 0.05),
        "answer",
        "unknown",
    ),
    (
        "the body drips",
        lambda: Dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n" + b" " * 999, 0.05),
        "answer",
        "unknown",
    ),
    (
        "the chunks never end",
        lambda: Dripping(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\n \r\n" * 99, 0.01
        ),
        "answer",
        "unknown",
    ),
]


@pytest.mark.parametrize(
    ("server", "phase", "delivered"), [s[1:] for s in SLOW], ids=[s[0] for s in SLOW]
)
def test_an_attempt_ends_by_its_deadline(
    server: Callable[[], AbstractContextManager[Any]], phase: str, delivered: str
) -> None:
    with server() as slow:
        started = time.monotonic()
        attempt = one_attempt(slow.url, dial_timeout=0.4, request_timeout=0.5)
        elapsed = time.monotonic() - started
    limit = 0.4 if phase == "dial" else 0.5
    assert limit <= elapsed <= limit + OVERRUN
    assert (attempt.phase, attempt.delivered) == (phase, delivered)


def test_a_stalling_tls_handshake_ends_by_the_dial_deadline() -> None:
    with StallingTLS() as server:
        attempt = one_attempt(f"https://127.0.0.1:{server.port}", dial_timeout=0.4)
    assert (attempt.phase, attempt.delivered) == ("tls", "no")
    assert attempt.reason == "TLS handshake timed out (dial timeout 400ms)"
    assert 0.4 <= attempt.elapsed <= 0.4 + OVERRUN


def test_the_request_timeout_bounds_the_dial_too() -> None:
    with blackhole() as server:
        attempt = one_attempt(server.url, dial_timeout=30, request_timeout=0.3)
    assert attempt.reason == "connection timed out (request timeout 300ms)"
    assert attempt.elapsed <= 0.3 + OVERRUN


def test_a_resolver_that_hangs_costs_the_dial_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    # A mock: no resolver of this machine can be made to hang without root.
    release = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_named: release.wait(20) and [])
    try:
        attempt = one_attempt("http://seq.example:8545", dial_timeout=0.3)
    finally:
        release.set()
    assert (attempt.phase, attempt.delivered) == ("dns", "no")
    assert attempt.reason == "no answer from DNS (dial timeout 300ms)"
    assert 0.3 <= attempt.elapsed <= 0.3 + OVERRUN


def test_a_name_whose_first_addresses_are_dead_is_reached_at_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # A mock of the resolver only: both addresses are real sockets.
    with blackhole() as hole, dead() as nobody, Replying(answer) as server:

        def resolve(*_args: object, **_named: object) -> list[Any]:
            ports = (hole.port, nobody.port, server.port)
            kind = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
            return [(*kind, ("127.0.0.1", port)) for port in ports]

        monkeypatch.setattr(socket, "getaddrinfo", resolve)
        attempt = one_attempt("http://seq.example:8545", dial_timeout=0.9)
    assert attempt.outcome == "answered"
    assert 0.25 <= attempt.timings["dial"] <= 0.25 + OVERRUN


FAILURES: list[tuple[Callable[[], AbstractContextManager[Any]], str, str, str]] = [
    (dead, "dial", "no", "connection refused"),
    (
        lambda: Closing(after="request", how="fin"),
        "answer",
        "unknown",
        "connection closed without an answer",
    ),
    (lambda: Closing(after="request", how="rst"), "answer", "unknown", "connection reset"),
    (
        lambda: Closing(
            after="request", how="fin", partial=b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"
        ),
        "answer",
        "unknown",
        "answer cut off",
    ),
    (
        lambda: Closing(
            after="request",
            how="fin",
            partial=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        ),
        "answer",
        "unknown",
        "answer cut off",
    ),
    (
        lambda: Closing(after="request", how="fin", partial=b"HTTP/1.1 200 OK\r\nConte"),
        "answer",
        "unknown",
        "an empty answer",
    ),
    (
        lambda: Closing(after="request", how="fin", partial=b"SSH-2.0-OpenSSH_9.2\r\n"),
        "answer",
        "unknown",
        "not an HTTP answer",
    ),
    (
        lambda: Replying(b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 70_000 + b"\r\n\r\n"),
        "answer",
        "unknown",
        "not an HTTP answer",
    ),
    (
        lambda: Replying(http(200, b"no gzip", {"Content-Encoding": "gzip"})),
        "answer",
        "unknown",
        "answer could not be decompressed",
    ),
]


@pytest.mark.parametrize(("server", "phase", "delivered", "reason"), FAILURES)
def test_a_failure_says_how_far_the_attempt_came(
    server: Callable[[], AbstractContextManager[Any]], phase: str, delivered: str, reason: str
) -> None:
    with server() as failing:
        attempt = one_attempt(failing.url)
    assert (attempt.phase, attempt.delivered, attempt.reason) == (phase, delivered, reason)


@pytest.mark.parametrize("how", ["fin", "rst"])
def test_a_connection_closed_at_once_never_counts_as_a_delivery(how: Literal["fin", "rst"]) -> None:
    """Whether the request got out before the close is a race."""
    with Closing(after="accept", how=how) as closing:
        attempt = one_attempt(closing.url)
    assert attempt.outcome == "outage"
    assert attempt.delivered in ("no", "unknown")


def test_a_request_that_was_not_written_whole_was_not_delivered() -> None:
    """The server resets while a body larger than any socket buffer is on its way."""
    with (
        Closing(after="accept", how="rst") as closing,
        SequencerClient(closing.url) as client,
        pytest.raises(CallError) as caught,
    ):
        client.request("m", ["x" * 50_000_000])
    assert caught.value.attempts[0].delivered == "no"
    assert caught.value.status == "unreachable"


def test_a_request_that_the_server_does_not_take_ends_by_the_request_timeout() -> None:
    """Its buffers and ours are full: the deadline ends the write."""
    with (
        StallingTLS() as deaf,  # takes the connection and reads nothing
        SequencerClient(deaf.url, request_timeout=0.5) as client,
        pytest.raises(CallError) as caught,
    ):
        client.request("m", ["x" * 50_000_000])
    (attempt,) = caught.value.attempts
    assert (attempt.phase, attempt.delivered) == ("send", "no")
    assert attempt.reason == "request not taken in time (request timeout 500ms)"
    assert attempt.elapsed <= 0.5 + OVERRUN


def test_a_name_that_does_not_resolve_is_not_delivered_to() -> None:
    attempt = one_attempt("http://no-such-host.invalid:8545")
    assert (attempt.phase, attempt.delivered, attempt.reason) == (
        "dns",
        "no",
        "name does not resolve",
    )


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress])
def test_a_compressed_answer_is_read(pack: Callable[[bytes], bytes]) -> None:
    coding = "gzip" if pack is gzip.compress else "deflate"

    def reply(request: Request) -> bytes:
        body = json.dumps({"jsonrpc": "2.0", "id": request.json["id"], "result": "0x1"}).encode()
        return http(200, pack(body), {"Content-Encoding": coding})

    with Replying(reply) as server:
        assert one_attempt(server.url).outcome == "answered"


def test_an_answer_that_inflates_past_the_limit_is_refused_without_inflating_it() -> None:
    bomb = http(200, gzip.compress(b" " * 200_000_000), {"Content-Encoding": "gzip"})
    with Replying(bomb) as server:
        attempt = one_attempt(server.url, max_response_size=2**20)
    assert attempt.reason == "answer larger than 1MiB"


@pytest.mark.parametrize("status", [400, 401, 403, 404, 408, 429, 500, 502, 503, 504])
def test_a_status_counts_even_if_its_body_never_comes(status: int) -> None:
    head = b"HTTP/1.1 %d X\r\nContent-Length: 10\r\n\r\n{" % status
    with Closing(after="request", how="fin", partial=head) as server:
        attempt = one_attempt(server.url)
    assert attempt.http_status == status
    assert attempt.delivered == ("no" if status in (401, 403, 404, 429) else "unknown")


class Blurting(Server):
    """Answers with ``payload``, and closes."""

    payload = b""

    def handle(self, connection: socket.socket) -> None:
        self.read_request(connection)
        connection.sendall(self.payload)


_LINES = st.sampled_from(
    [
        b"HTTP/1.1 200 OK",
        b"HTTP/1.1 100 Continue\r\n",
        b"HTTP/1.1 101 Switching Protocols",
        b"HTTP/1.0 204 No Content",
        b"HTTP/1.1 503 Unavailable",
        b"HTTP/1.1 307 Elsewhere",
        b"HTTP/1.1 99 \xff",
        b"HTTP/2 200",
        b"Content-Length: 5",
        b"Content-Length: -5",
        b"Content-Length: 5, 6",
        b"Content-Length: 99999999999999999999",
        b"Transfer-Encoding: gzip, chunked",
        b"Transfer-Encoding: chunked",
        b"Content-Encoding: gzip, gzip",
        b"Content-Encoding: deflate",
        b"Connection: close",
        b"Set-Cookie: a=b; Domain=\xff",
        b"Location: //[::1",
        b" folded",
        b": nameless",
        b"",
        b"5\r\nhello",
        b"-5",
        b"ffffffffffffffff",
        b"0",
        b"\x1f\x8b\x08\x00",
        b'{"jsonrpc":"2.0","id":1,"result":"0x1"}',
        b'{"jsonrpc":"2.0","id":1,"error":{"code":-32000,"message":"m"}}',
    ]
)
_ANSWERS = (
    st.lists(_LINES, max_size=9).map(b"\r\n".join)
    | st.lists(_LINES | st.binary(max_size=9), max_size=9).map(b"\r\n".join)
    | st.binary(max_size=200).map(lambda body: http(200, body))
    | st.binary(max_size=200)
)


def test_any_bytes_end_in_an_error_of_ours_and_never_in_an_acceptance() -> None:
    signed = Wallet(0).sign(2, nonce=0)
    with Blurting() as server:

        @given(_ANSWERS)
        def blurt(payload: bytes) -> None:
            server.payload = payload
            with SequencerClient(server.url, request_timeout=0.5) as client:
                started = time.monotonic()
                with pytest.raises(CallError):
                    client.send_raw_transaction(signed.raw)
                # The attempt, and the look-up that may follow it.
                assert time.monotonic() - started <= 2 * (0.5 + OVERRUN)

        blurt()


def test_credentials_are_sent_but_neither_cookies_nor_netrc(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login netrc password netrc\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))

    def reply(request: Request) -> bytes:
        body = json.dumps({"jsonrpc": "2.0", "id": request.json["id"], "result": 1}).encode()
        return http(200, body, {"Set-Cookie": "session=1"})

    with Replying(reply) as server:
        for url, headers, expected in (
            (server.url, {}, None),
            (server.url, {"authorization": "Bearer abc"}, "Bearer abc"),
            (server.url.replace("://", "://us%40er:p%3Aw@"), {}, "Basic dXNAZXI6cDp3"),
            (server.url.replace("://", "://a:b@"), {"Authorization": "Bearer abc"}, "Bearer abc"),
        ):
            with SequencerClient(url, headers=headers) as client:
                client.request("m")
                client.request("m")
            for request in server.requests:
                assert request.headers.get("Authorization") == expected
                assert "Cookie" not in request.headers
            server.requests.clear()


def test_a_proxy_is_used_but_never_for_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    with Replying(answer) as proxy, Replying(answer) as server:
        monkeypatch.setenv("HTTP_PROXY", proxy.url.replace("://", "://user:pw@"))
        assert one_attempt(server.url).outcome == "answered"
        assert one_attempt(server.url.replace("127.0.0.1", "localhost")).outcome == "answered"
        assert proxy.requests == []
        assert one_attempt("http://seq.example:8545/rpc").outcome == "answered"
        (forwarded,) = proxy.requests
        assert forwarded.path == "http://seq.example:8545/rpc"
        assert forwarded.headers["Proxy-Authorization"] == "Basic dXNlcjpwdw=="
        monkeypatch.setenv("NO_PROXY", "seq.example")
        assert one_attempt("http://seq.example:8545", dial_timeout=2).phase == "dns"


def test_a_proxy_that_does_not_connect_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with Replying(http(407, b"")) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        attempt = one_attempt("https://seq.example")
    assert (attempt.phase, attempt.delivered) == ("proxy", "no")
    assert attempt.reason == "the proxy did not connect: HTTP 407"


@pytest.mark.parametrize("url", ["http://seq.example", "https://seq.example", "ws://seq.example"])
def test_a_proxy_that_is_not_reached_is_named(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with dead() as nobody:
        monkeypatch.setenv("ALL_PROXY", nobody.url)
        attempt = one_attempt(url)
        (report,) = check(url).endpoints
    assert (attempt.phase, attempt.delivered) == ("proxy", "no")
    assert attempt.reason == "the proxy could not be reached: connection refused"
    assert (report.phase, report.hint) == ("proxy", "check HTTP_PROXY, HTTPS_PROXY and NO_PROXY")


def test_a_proxy_that_stalls_is_bounded_by_the_dial_timeout(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with Dripping(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 99, 0.05) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        attempt = one_attempt("https://seq.example", dial_timeout=0.3)
    assert attempt.reason == "no answer from the proxy in time (dial timeout 300ms)"
    assert attempt.elapsed <= 0.3 + OVERRUN


def test_a_proxy_of_another_kind_is_a_usage_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://user:secret@127.0.0.1:1080")
    with pytest.raises(UsageError, match=r"ALL_PROXY: 'socks5://\*\*\*@127.0.0.1:1080' is not an"):
        SequencerClient("http://seq.example")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


def test_tls_is_verified_against_the_named_authorities(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Replying(answer, tls=authority.context()) as server:
        url = server.url.replace("http", "https")
        trusted = one_attempt(url, cacert=authority.pem)
        assert trusted.outcome == "answered"
        assert {"dial", "tls", "send", "answer"} <= set(trusted.timings)
        for variable in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
            with monkeypatch.context() as patch:
                patch.setenv(variable, authority.pem)
                assert one_attempt(url).outcome == "answered"
        untrusted = one_attempt(url)
    assert (untrusted.phase, untrusted.delivered) == ("tls", "no")
    assert untrusted.reason == "certificate not trusted: unable to get local issuer certificate"


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("expired", "certificate has expired"),
        ("not yet", "certificate is not yet valid"),
        ("other host", "IP address mismatch, certificate is not valid for '127.0.0.1'"),
        ("stranger", "unable to get local issuer certificate"),
        ("self-signed", "self-signed certificate"),
    ],
)
def test_the_reason_says_what_is_wrong_with_a_certificate(
    authority: Authority, kind: Kind, said: str
) -> None:
    with Replying(answer, tls=authority.context(kind)) as server:
        url = server.url.replace("http", "https")
        attempt = one_attempt(url, cacert=authority.pem)
    assert (attempt.phase, attempt.delivered) == ("tls", "no")
    assert attempt.reason is not None
    assert attempt.reason.startswith(f"certificate not trusted: {said}")


def test_named_authorities_that_cannot_be_read_are_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--cacert: .*: no such file"):
        SequencerClient("https://seq.example", cacert=str(tmp_path / "none.pem"))
    (tmp_path / "empty.pem").write_text("")
    with pytest.raises(UsageError, match="holds no certificate"):
        SequencerClient("https://seq.example", cacert=str(tmp_path / "empty.pem"))
    SequencerClient("http://seq.example", cacert=str(tmp_path / "none.pem")).close()


def test_the_wrong_protocol_on_a_port_is_named() -> None:
    with Closing(after="accept", how="fin", partial=http(400, b"")) as plain:
        attempt = one_attempt(plain.url.replace("http:", "https:"))
    assert attempt.reason == "TLS failed: the port does not speak TLS (plain HTTP?)"
    assert attempt.delivered == "no"
    with Closing(after="request", how="fin", partial=b"\x15\x03\x01\x00\x02\x02\x46") as secure:
        attempt = one_attempt(secure.url)
    assert attempt.reason == "not an HTTP answer but TLS: the port wants https"


def test_no_log_line_and_no_traceback_holds_a_secret(caplog: pytest.LogCaptureFixture) -> None:
    import traceback

    caplog.set_level(logging.DEBUG)
    url = "http://user:s3cret@127.0.0.1:{port}/k3y" + "a" * 20 + "?q=s3cret#s3cret"
    shown = []
    # For the last server, the library's exception quotes what came.
    with (
        dead() as nobody,
        Replying(http(503, b"s3cret")) as failing,
        Closing(after="accept", how="fin", partial=http(400, b"")) as plain,
        Closing(after="request", how="fin", partial=b"s3cret\r\n") as strange,
    ):
        servers = (("http", nobody), ("http", failing), ("https", plain), ("http", strange))
        for scheme, server in servers:
            here = url.replace("http", scheme, 1).format(port=server.port)
            with SequencerClient(here, headers={"X": "s3cret"}) as client:
                try:
                    client.request("m")
                except CallError as error:
                    shown += [repr(error), str(error), "".join(traceback.format_exception(error))]
                    shown.append(repr(error.attempts))
    shown.append(caplog.text)
    assert len(shown) == 17
    assert not [text for text in shown if "s3cret" in text or "k3y" in text]
    assert "seqsend" in caplog.text


def test_a_real_node_answers_calls(node: Anvil) -> None:
    with SequencerClient(node.url) as client:
        assert client.request("eth_chainId").result == "0x7a69"
        assert client.request("eth_getBlockByNumber", ["latest", False]).result["number"]
