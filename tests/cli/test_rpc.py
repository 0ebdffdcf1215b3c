"""`seqsend rpc`: parameters in, the result out."""

import json
import subprocess

import pytest

from tests.support.cli import COMMAND, seqsend
from tests.support.node import Anvil
from tests.support.servers import (
    Replying,
    Request,
    Silent,
    dead,
    http,
    jsonrpc_error,
    jsonrpc_result,
)


def echo(request: Request) -> bytes:
    return jsonrpc_result(request, request.json["params"])


def at(url: str) -> str:
    return f"--rollup.sequencer-http={url}"


def test_calls_to_a_real_node_return_its_results(node: Anvil) -> None:
    chain_id = seqsend("rpc", "eth_chainId", at(node.url))
    assert (chain_id.code, chain_id.out) == (0, "0x7a69\n")
    block = seqsend("rpc", at(node.url), "eth_getBlockByNumber", "latest", "false")
    assert json.loads(block.out) == node.rpc("eth_getBlockByNumber", "latest", False)
    assert block.out.count("\n") == 1
    nothing = seqsend("rpc", "eth_getTransactionByHash", "0x" + "ab" * 32, at(node.url))
    assert (nothing.code, nothing.out) == (0, "null\n")
    document = seqsend("rpc", "eth_chainId", at(node.url), "--json").document
    assert (document["status"], document["result"]) == ("ok", "0x7a69")
    assert "hash" not in document
    unknown = seqsend("rpc", "eth_noSuchMethod", at(node.url), "--json")
    assert unknown.document["status"] == "rejected"
    assert unknown.document["error"]["code"] == -32601


@pytest.mark.parametrize(
    ("typed", "sent"),
    [
        ("0x1", "0x1"),
        ("latest", "latest"),
        ("1", 1),
        ("-1", -1),
        ("01", "01"),
        ("true", True),
        ("null", None),
        ("1.5", 1.5),
        ('"1"', "1"),
        ("", ""),
        ("NaN", "NaN"),
        ("Infinity", "Infinity"),
        ("1e999", "1e999"),
        (str(2**64), 2**64),
        (str(10**100), 10**100),
        ("9" * 5000, "9" * 5000),
        ('{"to":"0x1","n":[1,null]}', {"to": "0x1", "n": [1, None]}),
        (" [1] ", [1]),
        ("ünïcödé 🚀", "ünïcödé 🚀"),
        ('"\\ud800"', "\ud800"),
        ("-x", "-x"),
    ],
)
def test_a_parameter_is_json_if_it_parses_and_otherwise_a_string(typed: str, sent: object) -> None:
    with Replying(echo) as server:
        run = seqsend("rpc", at(server.url), "--json", "--", "m", typed)
        assert server.requests[0].json["params"] == [sent]
    assert run.document["result"] == [sent]


@pytest.mark.parametrize("typed", ["[1,", "{", "{'a': 1}", " [", "[NaN]", "[" * 100_000, b"\xff"])
def test_broken_json_in_a_parameter_is_a_usage_error(typed: str | bytes) -> None:
    with Replying(echo) as server:
        run = seqsend("rpc", at(server.url), "--json", "m", typed)
        assert server.requests == []
    assert run.document["status"] == "usage"
    assert "parameter 1" in run.document["error"]["message"]


@pytest.mark.parametrize(
    ("raw", "sent"), [('["a",1]', ["a", 1]), ('{"k":1}', {"k": 1}), ("[]", [])]
)
def test_raw_takes_all_parameters_from_an_argument_or_stdin(raw: str, sent: object) -> None:
    with Replying(echo) as server:
        assert (
            seqsend("rpc", "m", "--raw", raw, at(server.url), "--json").document["result"] == sent
        )
        from_stdin = seqsend("rpc", "m", "--raw", "-", at(server.url), "--json", stdin=raw)
        assert from_stdin.document["result"] == sent


@pytest.mark.parametrize(
    "arguments",
    [("--raw", "[1,"), ("--raw", "1"), ("--raw", '"x"'), ("--raw", "[]", "x"), ("--raw", "-")],
)
def test_a_wrong_raw_is_a_usage_error_with_an_example(arguments: tuple[str, ...]) -> None:
    run = seqsend("rpc", "m", *arguments, at("http://127.0.0.1:1"), "--json", stdin=b"\xff")
    assert run.document["status"] == "usage"
    assert "--raw" in run.document["error"]["message"]
    assert "; example: " in run.document["error"]["message"]


@pytest.mark.parametrize("method", ["", " ", b"\xff"])
def test_an_invalid_method_is_a_usage_error(method: str | bytes) -> None:
    assert seqsend("rpc", method, at("http://127.0.0.1:1"), "--json").document["status"] == "usage"


@pytest.mark.parametrize(
    ("result", "printed"),
    [
        ("plain", "plain"),
        ("a\nb\x1b[31m\u202e", "a\\u000ab\\u001b[31m\\u202e"),
        ("[bold]x[/bold]", "[bold]x[/bold]"),
        ("ünïcödé 🚀", "ünïcödé 🚀"),
        (10**40, str(10**40)),
        (None, "null"),
        (False, "false"),
        (["x\x1b", 1.5], '["x\\u001b",1.5]'),
        ("0x" + "ab" * 4000, "0x" + "ab" * 4000),
    ],
)
def test_prints_the_result_as_data(result: object, printed: str) -> None:
    with Replying(lambda request: jsonrpc_result(request, result)) as server:
        assert seqsend("rpc", "m", at(server.url)).out == f"{printed}\n"


def test_parameters_from_an_endless_stdin_are_refused() -> None:
    with open("/dev/zero", "rb") as endless:
        done = subprocess.run(
            [*COMMAND, "rpc", "m", "--raw", "-", "--rollup.sequencer-http=http://127.0.0.1:1"],
            stdin=endless,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    assert done.returncode == 2
    assert "stdin cannot be read: more than 32mib" in done.stderr.lower()


def test_prints_utf8_whatever_the_locale() -> None:
    with Replying(lambda request: jsonrpc_result(request, "ü🚀")) as server:
        run = seqsend(
            "rpc", "m", at(server.url), environment={"PYTHONIOENCODING": "ascii", "LC_ALL": "C"}
        )
    assert run.out == "ü🚀\n"


def test_a_non_idempotent_method_stops_after_a_possible_delivery() -> None:
    with Silent() as silent, Replying(echo) as second, dead() as nobody:
        limit = "--sequencer-request-timeout=300ms"
        call = ("rpc", "eth_sendTransaction", "{}", limit, "--json")
        stopped = seqsend(*call, at(f"{silent.url},{second.url}"))
        assert second.requests == []
        assert stopped.document["status"] == "unknown"
        went_on = seqsend(*call, at(f"{silent.url},{second.url}"), "--retry-unsafe")
        assert went_on.document["status"] == "ok"
        after_no_delivery = seqsend(*call, at(f"{nobody.url},{second.url}"))
        assert after_no_delivery.document["status"] == "ok"


def test_a_verdicts_text_is_unchanged_in_json_and_escaped_on_stderr() -> None:
    def reply(request: Request) -> bytes:
        return jsonrpc_error(request, 3, "reverted: \x1b]0;title\x07 [red]", data="0x08c379a0")

    with Replying(reply) as server, Replying(echo) as second:
        run = seqsend("rpc", "eth_call", "{}", at(f"{server.url},{second.url}"), "--json")
        assert second.requests == []
    assert run.document["error"] == {
        "code": 3,
        "message": "reverted: \x1b]0;title\x07 [red]",
        "data": "0x08c379a0",
    }
    assert "\x1b" not in run.out + run.err
    assert "reverted: \\u001b]0;title\\u0007 [red] (code 3)" in run.err


def test_a_null_from_a_method_that_never_returns_null_is_an_outage(node: Anvil) -> None:
    with Replying(lambda request: jsonrpc_result(request, None)) as server:
        run = seqsend("rpc", "eth_chainId", at(f"{server.url},{node.url}"), "--json")
    assert run.document["result"] == "0x7a69"
    assert run.document["attempts"][0]["reason"] == "null, which eth_chainId never returns"


def test_every_redirect_is_an_outage_and_is_not_followed(node: Anvil) -> None:
    with Replying(echo) as target:
        for status in (301, 302, 303, 307, 308):
            with Replying(http(status, b"", {"Location": f"{target.url}/x?token=abc"})) as server:
                run = seqsend("rpc", "eth_chainId", at(f"{server.url},{node.url}"), "--json")
            attempt = run.document["attempts"][0]
            assert (attempt["http_status"], attempt["delivered"]) == (status, "no")
            assert f"redirect to {target.url}/x?***, not followed" in attempt["reason"]
        assert target.requests == []


def test_a_verdict_after_an_attempt_that_may_have_signed_is_not_a_rejection() -> None:
    with Silent() as first, Replying(lambda r: jsonrpc_error(r, -32000, "nonce too low")) as second:
        run = seqsend(
            "rpc",
            "eth_sendTransaction",
            '{"from":"0x1"}',
            "--retry-unsafe",
            "--json",
            "--sequencer-request-timeout=300ms",
            at(f"{first.url},{second.url}"),
        )
    assert run.document["status"] == "unknown"
    assert "sign" not in run.err


def test_nonce_too_low_without_a_look_up_may_mean_the_transaction_itself() -> None:
    with Replying(lambda r: jsonrpc_error(r, -32000, "nonce too low")) as server:
        run = seqsend("rpc", "eth_sendRawTransaction", "0x02", at(server.url))
        assert len(server.requests) == 1
    assert run.code == 3
    assert "perhaps this very one: look for it by its hash before you sign again" in run.err
    assert "not found" not in run.err
