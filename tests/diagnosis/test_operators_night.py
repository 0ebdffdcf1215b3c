"""`check` in the cases that operators meet: real nodes, a halted chain, slow or dead hosts."""

import errno
import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

import seqsend
from seqsend.render.diagnosis import document
from tests.support.certificates import Authority
from tests.support.cli import seqsend as run
from tests.support.neighbours import node as healthy
from tests.support.network import SERVER, Network
from tests.support.nginx import Nginx
from tests.support.node import Anvil
from tests.support.servers import (
    Replying,
    Request,
    Silent,
    http,
    jsonrpc_error,
    jsonrpc_result,
)

Answer = Callable[[Request], bytes]


def refuse_empty(request: Request) -> bytes:
    return jsonrpc_error(request, -32000, "typed transaction too short")


def chain(*, age: float = 0, safe: float | None = None, number: str = "0x64") -> Answer:
    """Return a node with a head ``age`` seconds old, and a safe one if ``safe`` gives its age."""

    def reply(request: Request) -> bytes:
        if request.json["method"] != "eth_getBlockByNumber":
            return healthy(probe=refuse_empty)(request)
        tag = request.json["params"][0]
        old = age if tag == "latest" else safe
        if old is None:
            return jsonrpc_error(request, -39001, "safe block not found")
        return jsonrpc_result(request, {"number": number, "timestamp": hex(int(time.time() - old))})

    return reply


def test_three_endpoints_of_a_halted_chain_are_stale() -> None:
    with ExitStack() as stack:
        urls = [stack.enter_context(Replying(chain(age=7200))).url for _ in range(3)]
        diagnosis = seqsend.check(urls)
        words = run("check", f"--rollup.sequencer-http={','.join(urls)}", "--json")
    assert [r.verdict for r in diagnosis.endpoints] == ["STALE"] * 3
    assert {r.reason for r in diagnosis.endpoints} == {"head is 2 h old"}
    assert diagnosis.status == "degraded"
    assert (words.code, words.diagnosis["status"]) == (8, "degraded")
    assert [e["usable"] for e in words.diagnosis["endpoints"]] == [True] * 3


def test_an_old_head_of_a_real_node_that_mines_on_demand_is_not_stale() -> None:
    with Anvil(extra=("--timestamp", str(int(time.time()) - 86_400))) as old:
        (report,) = seqsend.check(old.url).endpoints
    assert report.head_age is not None
    assert report.head_age > 80_000
    assert (report.verdict, report.reason) == ("usable", None)


def test_safe_and_finalized_heads_are_reported_and_limited() -> None:
    with Replying(chain(age=2, safe=10_900)) as stuck, Replying(chain()) as without:
        urls = [stuck.url, without.url]
        (one, two), strict = (
            seqsend.check(urls).endpoints,
            seqsend.check(urls, max_safe_lag=3600),
        )
    assert one.safe is not None
    assert one.finalized is not None
    assert one.safe.number == 100
    assert one.safe.age == pytest.approx(10_900, abs=5)
    assert (one.verdict, one.reason) == ("usable", None)
    assert (two.safe, two.finalized, two.verdict) == (None, None, "usable")
    first, second = strict.endpoints
    (shown, _) = document(strict)["endpoints"]
    assert (shown["safe_number"], shown["finalized_number"]) == (100, 100)
    assert shown["safe_age_s"] == pytest.approx(10_900, abs=10)
    assert (first.verdict, first.reason_code) == ("STALE", "safe_stuck")
    assert first.reason == "safe head is 3 h behind"
    assert (second.verdict, strict.status) == ("usable", "degraded")


def test_a_head_in_the_future_is_reported_with_a_negative_age() -> None:
    with Replying(chain(age=-300)) as server:
        found = run("check", f"--rollup.sequencer-http={server.url}", "--json")
    (endpoint,) = found.diagnosis["endpoints"]
    assert endpoint["reason"] == "head is 5 min in the future: clocks differ"
    assert (endpoint["reason_code"], found.code) == ("head_in_future", 8)
    assert endpoint["head_age_s"] == pytest.approx(-300, abs=10)


@pytest.mark.parametrize("number", ["0x" + "f" * 5000, hex(2**300), "0x", "12", "0x1" + "0" * 16])
def test_an_invalid_block_number_leaves_the_head_unknown(number: str) -> None:
    with Replying(chain(number=number)) as server:
        found = run("check", f"--rollup.sequencer-http={server.url}", "--json")
    (endpoint,) = found.diagnosis["endpoints"]
    assert (endpoint["block_number"], endpoint["reason_code"]) == (None, "head_unknown")
    assert found.code == 8


@pytest.mark.parametrize(
    "value", ["0x" + "f" * 5000, hex(2**300), "9" * 5000, 10**30, True, None, [], "0x-1"]
)
def test_no_chain_id_or_timestamp_crashes_a_check(value: object) -> None:
    block = {"number": "0x1", "timestamp": value, "baseFeePerGas": value}
    others: dict[str, object] = {"eth_getBlockByNumber": block, "eth_syncing": value}
    odd = healthy(probe=refuse_empty, others=others)
    foreign = healthy(probe=refuse_empty, others=others | {"eth_chainId": value})
    with Replying(odd) as one, Replying(foreign) as two:
        found = seqsend.check([one.url, two.url])
    assert found.endpoints[0].head == seqsend.Head(1)
    assert found.endpoints[1].reason_code in ("not_execution", "null_result")


def test_an_endpoint_whose_head_is_unknown_is_degraded() -> None:
    def reply(request: Request) -> bytes:
        if request.json["method"] == "eth_getBlockByNumber":
            return http(503, b"")
        return chain()(request)

    with Replying(reply) as server:
        diagnosis = seqsend.check(server.url)
    (report,) = diagnosis.endpoints
    assert (report.verdict, report.reason) == ("usable", "head not known: HTTP 503")
    assert (report.reason_code, diagnosis.status) == ("head_unknown", "degraded")


@pytest.mark.parametrize(
    ("answered", "age", "verdict", "code"),
    [
        (1, 0, "usable", "slow"),
        (2, 0, "usable", "slow"),
        (2, 7200, "STALE", "head_old"),
        (4, 0, "usable", "slow"),
        (6, 0, "usable", "slow"),
    ],
)
def test_a_slow_endpoint_is_reported_with_the_facts_it_gave(
    answered: int, age: float, verdict: str, code: str
) -> None:
    asked = itertools.count(1)

    def reply(request: Request) -> bytes:
        if next(asked) > answered:
            server.wait(10)
        return chain(age=age)(request)

    with Replying(reply) as server:
        diagnosis = seqsend.check(server.url, request_timeout=0.6)
    assert diagnosis.elapsed <= 0.6 + 0.25 + 0.25  # 0.25 by contract, 0.25 to start a thread
    (report,) = diagnosis.endpoints
    assert (report.verdict, report.reason_code) == (verdict, code)
    assert (report.usable, report.phase, diagnosis.status) == (True, "answer", "degraded")
    if code == "slow":
        assert report.reason == f"slow: {answered} of 7 questions answered (request timeout 600ms)"
    known = (report.chain_id, report.head, report.takes_transactions, None, report.client_version)
    assert [value is not None for value in known] == [n <= answered for n in (1, 2, 3, 99, 5)]
    assert "dial" in report.timings


def test_fifty_endpoints_are_checked_within_one_request_timeout() -> None:
    def slow(request: Request) -> bytes:
        servers[0].wait(0.05)
        return chain()(request)

    with ExitStack() as stack:
        servers = [stack.enter_context(Replying(slow)) for _ in range(50)]
        diagnosis = seqsend.check([server.url for server in servers], request_timeout=3)
        connections = sum(server.connections for server in servers)
    assert [r.usable for r in diagnosis.endpoints] == [True] * 50
    assert [r.endpoint.index for r in diagnosis.endpoints] == list(range(1, 51))
    assert diagnosis.elapsed <= 3 + 0.25
    assert connections == 50  # one each, kept alive


def test_a_node_behind_nginx_with_tls_is_usable_if_trusted(
    node: Anvil, tmp_path_factory: pytest.TempPathFactory
) -> None:
    authority = Authority(tmp_path_factory.mktemp("authority"))
    with Nginx(node.url, authority) as nginx:
        url = f"{nginx.secure_url}/rpc"
        diagnosis = seqsend.check(url, cacert=authority.pem, probe_forward=True)
        untrusted = seqsend.check(url).endpoints[0]
    (report,) = diagnosis.endpoints
    assert (report.verdict, report.reason, diagnosis.status) == ("usable", None, "ok")
    assert {"dial", "tls", "answer"} <= set(report.timings)
    assert report.forward is not None
    (shown,) = document(diagnosis)["endpoints"]
    assert shown["forward_ms"] == pytest.approx(report.forward * 1000, abs=0.1)
    assert (untrusted.reason_code, untrusted.phase) == ("tls_untrusted", "tls")
    assert "--cacert" in (untrusted.hint or "")


def test_a_lack_of_file_descriptors_is_reported() -> None:
    with ExitStack() as stack:
        urls = [stack.enter_context(Silent()).url for _ in range(30)]
        found = run(
            "check",
            f"--rollup.sequencer-http={','.join(urls)}",
            "--sequencer-request-timeout=1s",
            "--json",
            within=("sh", "-c", 'ulimit -n 20; exec "$0" "$@"'),
        )
    endpoints = found.diagnosis["endpoints"]
    limited = [e for e in endpoints if e["reason_code"] == "local_limit"]
    assert {e["reason_code"] for e in endpoints} <= {"timeout", "local_limit"}
    assert len(limited) >= 10
    assert "this machine is at a limit" in limited[0]["hint"]


def test_endpoints_are_checked_even_without_a_descriptor_to_wait_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Mailbox:
        def __class_getitem__(cls, _kind: object) -> Callable[[], None]:
            def fail() -> None:
                raise OSError(errno.EMFILE, "Too many open files")

            return fail

    monkeypatch.setattr("seqsend.threads.Mailbox", Mailbox)
    with Replying(chain()) as one, Replying(chain()) as two:
        diagnosis = seqsend.check([one.url, two.url])
    assert [report.verdict for report in diagnosis.endpoints] == ["usable"] * 2


@pytest.fixture(scope="module")
def network() -> Iterator[Network]:
    with Network() as made:
        # Nothing listens there, as on a machine whose resolver has stopped.
        made.configure({"resolv.conf": "nameserver 127.0.0.1\n", "hosts": ""})
        yield made


@pytest.mark.parametrize(
    ("url", "phase", "code", "hint"),
    [
        ("http://203.0.113.1:8545", "dial", "no_route", "no route to it"),
        (f"http://{SERVER}:9", "dial", "refused", "nothing listens on that port"),
        ("http://10.77.0.99:8545", "dial", "dial_timeout", "a firewall drops packets"),
        ("http://seq.example:8545", "dns", "no_resolver", "check /etc/resolv.conf"),
    ],
)
def test_an_unreachable_host_has_a_phase_a_code_and_a_hint(
    network: Network, url: str, phase: str, code: str, hint: str
) -> None:
    found = run(
        "check",
        f"--rollup.sequencer-http={url}",
        "--sequencer-dial-timeout=1s",
        "--json",
        within=network.at_client,
    )
    (endpoint,) = found.diagnosis["endpoints"]
    assert (found.code, endpoint["verdict"]) == (4, "NOT USABLE")
    assert (endpoint["phase"], endpoint["reason_code"]) == (phase, code)
    assert hint in endpoint["hint"]
