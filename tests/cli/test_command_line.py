"""Options before and after the subcommand, the environment, help, and colour."""

import json
import os
import re
import ssl
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from unittest.mock import ANY

import pytest

from seqsend.cli.shared_options import OPTIONS
from seqsend.version import __version__
from tests.conftest import FreshTx
from tests.support.certificates import Authority
from tests.support.cli import seqsend
from tests.support.node import Anvil
from tests.support.servers import (
    Replying,
    Request,
    Silent,
    blackhole,
    dead,
    http,
    jsonrpc_error,
    jsonrpc_result,
)
from tests.support.terminal import on_a_terminal

ENV = dict(os.environ)


def test_an_option_before_or_after_the_command_beats_the_environment(node: Anvil) -> None:
    environment = ENV | {"SEQSEND_SEQUENCER_HTTP": "http://127.0.0.1:1"}
    option = f"--rollup.sequencer-http={node.url}"
    for words in ([option, "rpc", "eth_chainId"], ["rpc", "eth_chainId", option]):
        assert seqsend(*words, environment=environment).out == "0x7a69\n"
    assert seqsend("rpc", "eth_chainId", environment=environment).code == 4
    after_beats_before = ["--rollup.sequencer=http://127.0.0.1:1", "rpc", "eth_chainId", option]
    assert seqsend(*after_beats_before, environment=environment).code == 0


@pytest.mark.parametrize(
    "alias",
    [
        "--rollup.sequencer-http",
        "--rollup.sequencer",
        "--rollup.sequencer-ws",
        "--rollup.sequencerhttp",
    ],
)
def test_every_alias_of_the_endpoint_list_works(node: Anvil, alias: str) -> None:
    assert seqsend("rpc", "eth_chainId", alias, node.url).code == 0
    assert seqsend(alias, node.url, "rpc", "eth_chainId").code == 0


@pytest.mark.parametrize(
    ("options", "environment"),
    [
        (["--sequencer-dial-timeout=300ms"], {}),
        (["--rollup.sequencer-dial-timeout=300ms"], {}),
        ([], {"SEQSEND_DIAL_TIMEOUT": "300ms"}),
        (["--sequencer-request-timeout=300ms"], {}),
        (["--rollup.sequencer-request-timeout=300ms"], {}),
        ([], {"SEQSEND_REQUEST_TIMEOUT": "300ms"}),
        (["--deadline=300ms"], {}),
        ([], {"SEQSEND_DEADLINE": "300ms"}),
        (["--sequencer-request-timeout=300ms"], {"SEQSEND_REQUEST_TIMEOUT": "1h"}),
    ],
)
def test_every_time_limit_is_kept(options: list[str], environment: dict[str, str]) -> None:
    is_dial = "dial" in str((options, environment)).lower()
    with blackhole() if is_dial else Silent() as server:
        at = f"--rollup.sequencer-http={server.url}"
        run = seqsend(*options, "rpc", "eth_chainId", at, "--json", environment=ENV | environment)
    assert run.code in (4, 5)
    assert 290 <= run.document["elapsed_ms"] <= 300 + 250


def test_endpoint_lists_before_and_after_the_command_are_joined(node: Anvil) -> None:
    with dead() as one, dead() as two, dead() as three:
        run = seqsend(
            *("--rollup.sequencer-http", one.url, "--rollup.sequencer", f"{two.url},"),
            *("rpc", "eth_chainId", "--json", "--rollup.sequencer-ws", three.url),
            *("--rollup.sequencerhttp", node.url),
            environment=ENV | {"SEQSEND_SEQUENCER_HTTP": "http://127.0.0.1:1"},
        )
    tried = [attempt["endpoint"]["url"] for attempt in run.document["attempts"]]
    assert tried == [one.url, two.url, three.url, node.url]
    assert run.document["endpoint"]["index"] == 4


def test_a_header_for_one_endpoint_goes_to_that_endpoint_alone() -> None:
    refuse = http(503, b"")
    with Replying(refuse) as one, Replying(refuse) as two:
        name = "--rollup.sequencer-headers"
        at = ["--rollup.sequencer-http", one.url, "--rollup.sequencer-http", two.url]
        run = seqsend(name, "2:X-Key=b", "rpc", "m", *at, name, "x-all=1", "-v", "--json")
        assert seqsend("rpc", "m", *at, name, "3:X-Key=s3cret").err == (
            "error: a header is for endpoint 3, but the list has 2 endpoints; example: "
            "'2:Authorization=Bearer abc', for endpoint 2 alone\n"
        )
        (first,), (second,) = one.requests, two.requests
    assert run.document["status"] == "unknown"
    assert (first.headers["X-All"], first.headers["X-Key"]) == ("1", None)
    assert (second.headers["X-All"], second.headers["X-Key"]) == ("1", "b")


def test_look_ups_go_to_the_read_endpoints(node: Anvil, fresh_tx: FreshTx) -> None:
    signed = fresh_tx()
    assert seqsend("send", signed.raw, "--rollup.sequencer-http", node.url).code == 0

    def forget(request: Request) -> bytes:
        if request.json["method"] == "eth_sendRawTransaction":
            return jsonrpc_error(request, -32000, "already known")
        return jsonrpc_result(request, None)

    with Replying(forget) as pool, dead() as nobody:
        words = ["send", signed.raw, "--rollup.sequencer-http", pool.url, "--json"]
        assert seqsend(*words).document["status"] == "unknown"
        for options, environment in (
            (["--reads-from", nobody.url, "--reads-from", node.url], {}),
            ([], {"SEQSEND_READS_FROM": f"{nobody.url}, {node.url}\r"}),
        ):
            found = seqsend(*words, *options, environment=ENV | environment).document
            assert (found["status"], found["endpoint"]["url"]) == ("known", node.url)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--reads-from", ""], "--reads-from: no URL given; example: "),
        (["--reads-from", " , "], "--reads-from: no URL given; example: "),
        (["--reads-from=http://a,ftp://u:secret@b"], "--reads-from: endpoint 2 'ftp://***@b': "),
    ],
)
def test_a_wrong_read_endpoint_is_reported_with_its_option(
    options: list[str], message: str
) -> None:
    run = seqsend("send", "0x02", "--rollup.sequencer-http", "http://127.0.0.1:1", *options)
    assert (run.code, run.out) == (2, "")
    assert run.err.startswith(f"error: {message}")


def test_a_client_certificate_is_shown_to_a_server_that_requires_one(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    context = authority.context()
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(authority.pem)
    chain, key = map(str, authority.files())
    with Replying(lambda request: jsonrpc_result(request, 1), tls=context) as server:
        url = f"https://127.0.0.1:{server.port}"
        at = ["--rollup.sequencer-http", url, "--cacert", authority.pem]
        options = ["--client-cert", chain, "--client-key", key]
        assert seqsend("rpc", "m", *at, *options).code == 0
        (found,) = json.loads(seqsend("check", *at, *options, "--json").out)["endpoints"]
        assert found["answer_ms"] is not None
        environment = ENV | {"SEQSEND_CLIENT_CERT": chain, "SEQSEND_CLIENT_KEY": f"{key}\r\n"}
        assert seqsend("rpc", "m", *at, environment=environment).code == 0
        assert seqsend("rpc", "m", *at).code in (4, 5)
        wrong = seqsend("rpc", "m", *at, "--client-cert", chain, "--client-key", authority.pem)
    assert wrong.code == 2
    assert "--client-key" in wrong.err


@pytest.mark.parametrize("options", [["--no-strict-errors"], ["--strict-errors"], []])
def test_the_last_of_a_switch_and_its_opposite_wins(options: list[str]) -> None:
    """In either position; and both beat the variable."""
    limited = {"code": -32016, "message": "over rate limit"}
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "error": limited}).encode()
    with Replying(http(200, body)) as server:
        run = seqsend(
            *(
                "--no-strict-errors" if word == "--strict-errors" else "--strict-errors"
                for word in options
            ),
            *("rpc", "m", f"--rollup.sequencer-http={server.url}", *options),
            environment=ENV
            | {"SEQSEND_STRICT_ERRORS": "0" if options == ["--strict-errors"] else "1"},
        )
    assert run.code == (4 if options == ["--no-strict-errors"] else 3)


def test_headers_before_and_after_the_command_replace_those_of_the_environment() -> None:
    environment = ENV | {"SEQSEND_SEQUENCER_HEADERS": "X-One=from env with blanks\n\nX-Two=2\n"}
    with Replying(lambda request: jsonrpc_result(request, 1)) as server:
        at = f"--rollup.sequencer-http={server.url}"
        name = "--rollup.sequencer-headers"
        seqsend("rpc", "m", at, environment=environment)
        seqsend(name, "X-One=a", "rpc", "m", at, name, "X-Three=c", environment=environment)
        first, second = (request.headers for request in server.requests)
    assert (first["X-One"], first["X-Two"]) == ("from env with blanks", "2")
    assert (second["X-One"], second["X-Three"]) == ("a", "c")
    assert "X-Two" not in second


def test_max_response_size_is_kept() -> None:
    with Replying(lambda request: jsonrpc_result(request, "x" * 5000)) as server:
        at = f"--rollup.sequencer-http={server.url}"
        assert seqsend("rpc", "m", at).code == 0
        for run in (
            seqsend("rpc", "m", at, "--max-response-size=4KiB", "--json"),
            seqsend(
                "rpc", "m", at, "--json", environment=ENV | {"SEQSEND_MAX_RESPONSE_SIZE": "4KiB"}
            ),
        ):
            assert run.document["status"] == "unknown"
            assert run.document["attempts"][0]["reason"] == "answer larger than 4KiB"


@pytest.mark.parametrize(
    ("words", "environment", "message"),
    [
        ([], {}, "no sequencer given"),
        (["--rollup.sequencer-http=,"], {}, "no sequencer endpoint given"),
        (["--rollup.sequencer-http=ftp://x"], {}, "endpoint 1 'ftp://x'"),
        ([], {"SEQSEND_SEQUENCER_HTTP": "x"}, "endpoint 1 'x'"),
        (["--sequencer-dial-timeout=5"], {}, "--sequencer-dial-timeout: '5' has no unit"),
        (["--sequencer-request-timeout=0s"], {}, "--sequencer-request-timeout: '0s' is zero"),
        (["--deadline=-1s"], {}, "--deadline: '-1s' is not a duration"),
        ([], {"SEQSEND_DIAL_TIMEOUT": "5M"}, "SEQSEND_DIAL_TIMEOUT: '5M' is not a duration"),
        (["--max-response-size=1TB"], {}, "--max-response-size: '1TB' is not a size"),
        (["--rollup.sequencer-headers=secret"], {}, "--rollup.sequencer-headers, number 1: "),
        ([], {"SEQSEND_SEQUENCER_HEADERS": "A=1\nsecret"}, "SEQSEND_SEQUENCER_HEADERS, number 2"),
        (
            ["--rollup.sequencer-http=https://x", "--cacert=/nope"],
            {},
            "--cacert: /nope: no such file",
        ),
        (
            ["--rollup.sequencer-http=https://x"],
            {"SSL_CERT_FILE": "/dev/null"},
            "SSL_CERT_FILE: /dev/null holds no",
        ),
    ],
)
def test_a_wrong_value_is_reported_with_its_option_and_without_secrets(
    words: list[str], environment: dict[str, str], message: str
) -> None:
    options = (
        words
        if "http=" in str(words) or "HTTP" in str(environment)
        else [
            *words,
            *(
                ["--rollup.sequencer-http=http://127.0.0.1:1"]
                if message != "no sequencer given"
                else []
            ),
        ]
    )
    run = seqsend("rpc", "eth_chainId", "--json", *options, environment=ENV | environment)
    assert run.document["status"] == "usage"
    assert message in run.document["error"]["message"]
    assert "; example: " in run.document["error"]["message"]
    assert run.err == f"error: {run.document['error']['message']}\n"
    assert "secret" not in run.out + run.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--rollup.sequencer-htp=http://u:secret@x", "rpc", "m"], "No such option"),
        (["http://u:secret@x"], "No such command"),
        (["rpc", "m", "-1"], "No such option"),
        (["rpc", "m", "--raw"], "requires an argument"),
        (["rpc"], "Missing argument"),
        (["rpc", "--json"], "Missing argument"),
    ],
)
def test_a_wrong_command_line_is_refused_without_secrets(words: list[str], message: str) -> None:
    run = seqsend(*words)
    assert (run.code, run.out) == (2, "")
    assert message in run.err
    assert re.search("--help lists (its options|the commands); example: seqsend ", run.err)
    assert "secret" not in run.err


def test_without_arguments_it_prints_help_and_exits_2() -> None:
    run = seqsend()
    assert run.code == 2
    assert "Usage: seqsend [OPTIONS] COMMAND" in run.out + run.err


def test_a_missing_transaction_is_reported_in_one_line() -> None:
    """As with ``seqsend send $tx`` with an empty ``tx``: the log should not get the whole help."""
    run = seqsend("send", environment=ENV | {"SEQSEND_SEQUENCER_HTTP": "http://127.0.0.1:1"})
    assert (run.code, run.out) == (2, "")
    assert re.fullmatch("error: no transaction given; example: .*\n", run.err)


@pytest.mark.parametrize(
    "words",
    [
        *(["--version"], ["-v", "--version"], ["-V"], ["-qV"], ["-V", "send"]),
        *(["send", "-V"], ["rpc", "--version"], ["check", "--json", "-V"], ["decode", "-qV"]),
    ],
)
def test_the_version_is_printed_from_every_position(words: list[str]) -> None:
    run = seqsend(*words)
    assert (run.code, run.out, run.err) == (0, f"seqsend {__version__}\n", "")


@pytest.mark.parametrize("columns", ["60", "80", "200"])
@pytest.mark.parametrize(
    "words", [["--help"], *([name, "--help"] for name in ("send", "rpc", "check", "decode"))]
)
def test_help_fits_the_screen_uncut(words: list[str], columns: str) -> None:
    run = seqsend(*words, environment=ENV | {"COLUMNS": columns})
    assert run.code == 0
    assert "…" not in run.out.replace("0x02…", "")
    assert max(map(len, run.out.splitlines())) <= 80
    assert columns == "60" or len(run.out.splitlines()) <= 60
    example = run.out.splitlines()[-1].strip()
    assert re.fullmatch("seqsend (send|rpc|check|decode) .*[^,-]", example)


def test_the_main_help_lists_every_shared_option_and_variable() -> None:
    shown = seqsend("--help").out
    listed = re.findall(r"(?m)^  (?:-\w, )?(--[\w.-]+)", shown)
    assert {o.name for o in OPTIONS} == set(listed) - {"--version", "--show-completion", "--help"}
    assert all(option.environment in shown for option in OPTIONS if option.environment)


@pytest.mark.parametrize("command", ["send", "rpc", "check", "decode"])
def test_a_commands_help_refers_to_the_shared_options_without_listing_them(command: str) -> None:
    shown = seqsend(command, "--help").out
    listed = set(re.findall(r"(?m)^  (?:-\w, )?(--[\w.-]+)", shown))
    assert not listed & {flag for option in OPTIONS for flag in option.flags}
    assert "Options of every command (addresses, timeouts, --json): seqsend --help\n" in shown


@pytest.mark.parametrize("words", [[], ["send"], ["rpc"], ["check"], ["decode"]])
def test_h_means_help(words: list[str]) -> None:
    assert seqsend(*words, "-h") == replace(seqsend(*words, "--help"), elapsed=ANY, lingered=ANY)


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (
            ["send", "0x", "--rpc-url=http://u:secret@h"],
            "--rpc-url (did you mean --rollup.sequencer-http?)",
        ),
        (["rpc", "m", "--url", "http://x"], "--url (did you mean --rollup.sequencer-http?)"),
        (["--endpoint", "x", "rpc", "m"], "--endpoint (did you mean --rollup.sequencer-http?)"),
        (["send", "0x", "-wait"], "-wait (did you mean --wait?)"),
        (["send", "0x", "-batch-size=2"], "-batch-size (did you mean --batch-size?)"),
        (["send", "-file", "x"], "-file (did you mean --file?)"),
        (["send", "-verbose", "0x"], "-verbose (did you mean --verbose?)"),
        (["check", "-chain=1"], "-chain (did you mean --chain-id?)"),
        (["check", "-help"], "-help (did you mean --help?)"),
        (["rpc", "m", "-H", "A=secret"], "-H (did you mean --rollup.sequencer-headers?)"),
        (["rpc", "m", "--timeout=5s"], "--timeout (did you mean --sequencer-request-timeout?)"),
        (["send", "--waitt", "0x"], "--waitt (did you mean --wait?)"),
        (["send", "--retries", "3"], "--retries (did you mean --retry-for?)"),
        (["send", "--RPC-url=x"], "--RPC-url (did you mean --rollup.sequencer-http?)"),
        (["--wait", "send", "0x"], "--wait (only send has it, after the command)"),
        (["check", "--file", "x"], "--file (only send and decode have it, after the command)"),
        (["send", "--private-key", "secret"], "--private-key (seqsend signs nothing: sign first"),
        (["send", "0x", "-k"], "-k (TLS is always verified; --cacert trusts"),
        (["rpc", "m", "--user", "a:secret"], "--user (did you mean --rollup.sequencer-headers?)"),
        (["check", "--interval=5s"], "--interval (did you mean --watch?)"),
        (["decode", "--zzz"], "--zzz\n"),
        (
            ["rpc", "m", "--rollup.sequencer-httphttp://user:secret@host"],
            "--rollup.sequencer-http*** (a space is missing after --rollup.sequencer-http)",
        ),
        (
            ["--rollup.sequencer-headersAuthorization=Bearer secret", "rpc", "m"],
            "--rollup.sequencer-headers*** (a space is missing after --rollup.sequencer-headers)",
        ),
        (["rpc", "m", "--deadline5s"], "--deadline*** (a space is missing after --deadline)"),
    ],
)
def test_a_wrong_option_gets_a_suggestion_without_secrets(words: list[str], meant: str) -> None:
    run = seqsend(*words)
    assert (run.code, run.out) == (2, "")
    assert run.err.startswith(f"error: No such option: {meant}")
    assert "secret" not in run.err


def test_quiet_silences_all_but_errors_and_verbose_shows_phases(node: Anvil) -> None:
    with dead() as nobody:
        at = f"--rollup.sequencer-http={nobody.url},{node.url}"
        assert seqsend("rpc", "eth_chainId", at, "-q").err == ""
        assert seqsend("rpc", "eth_chainId", at, "-qv").err == ""
        verbose = seqsend("rpc", "eth_chainId", at, "-v").err
        failed = seqsend("rpc", "eth_chainId", f"--rollup.sequencer-http={nobody.url}", "-q")
    assert "eth_chainId, HTTP 200, delivered: yes; dial " in verbose
    assert "answer " in verbose
    assert failed.err.startswith("error: ")


def test_colour_is_for_terminals_that_want_it(node: Anvil) -> None:
    with dead() as nobody:
        words = ["rpc", "eth_chainId", f"--rollup.sequencer-http={nobody.url},{node.url}"]
        coloured = on_a_terminal(words, ENV | {"TERM": "xterm-256color"}).raw
        assert "\x1b[" in coloured
        assert "trying the next" in coloured
        for environment in ({"TERM": "dumb"}, {"TERM": "xterm", "NO_COLOR": "1"}):
            assert "\x1b" not in on_a_terminal(words, ENV | environment).raw
        assert "\x1b" not in seqsend(*words, environment=ENV | {"TERM": "xterm"}).err


def test_long_hex_is_never_wrapped_on_a_narrow_terminal() -> None:
    with Replying(
        http(
            200,
            json.dumps(
                {"jsonrpc": "2.0", "id": 1, "error": {"code": 1, "message": "0x" + "ab" * 100}}
            ).encode(),
        )
    ) as server:
        shown = on_a_terminal(
            ["rpc", "m", f"--rollup.sequencer-http={server.url}"],
            ENV | {"TERM": "xterm-256color"},
            columns=40,
        ).raw
    assert "0x" + "ab" * 100 in shown


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["--version"],
        ["--show-completion", "fish"],
        ["rpc", "eth_chainId"],
        ["check"],
        ["check", "--json"],
        ["check", "--watch", "1h"],
    ],
)
def test_a_full_or_closed_stdout_is_an_error(node: Anvil, words: list[str]) -> None:
    environment = ENV | {"SEQSEND_SEQUENCER_HTTP": node.url}
    command = [sys.executable, "-m", "seqsend", *words]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            command, stdout=full, stderr=subprocess.PIPE, text=True, env=environment, check=False
        )
    assert done.returncode == 1
    assert re.match("error: .*stdout", done.stderr)
    assert "defect" not in done.stderr
    closed = subprocess.run(
        ["sh", "-c", '"$@" >&-', "sh", *command],
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        check=False,
    )
    assert closed.returncode == 1
    assert re.match("error: .*stdout", closed.stderr)
    assert "defect" not in closed.stderr
