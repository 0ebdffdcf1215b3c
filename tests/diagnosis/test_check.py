"""`seqsend.check`: what it finds out about each endpoint and about all together."""

import re
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any

import pytest

import seqsend
from seqsend import Diagnosis, EndpointReport, UsageError
from seqsend.diagnosis.judging import Limits, judge
from seqsend.diagnosis.report import Head
from seqsend.endpoints import parse_endpoints
from seqsend.models import Attempt
from tests.support import ws
from tests.support.certificates import Authority, Kind
from tests.support.cli import seqsend as seqsend_program
from tests.support.neighbours import beacon, explorer, missing, node, op_node, sends_only
from tests.support.node import Anvil
from tests.support.servers import (
    Closing,
    Replying,
    Request,
    Silent,
    StallingTLS,
    blackhole,
    dead,
    http,
    jsonrpc_error,
    jsonrpc_result,
)

Answer = Callable[[Request], bytes]


def check_one(url: str, **options: Any) -> EndpointReport:
    """Check one endpoint and return its report."""
    (report,) = seqsend.check(url, **options).endpoints
    return report


def refusing(code: int, message: str, status: int = 200) -> Answer:
    return lambda request: jsonrpc_error(request, code, message, status=status)


def test_a_real_node_is_usable_and_left_unchanged(node: Anvil) -> None:
    before = (node.rpc("txpool_status"), node.rpc("eth_blockNumber"))
    diagnosis = seqsend.check(node.url)
    assert (diagnosis.status, diagnosis.chain_ids, diagnosis.max_lag) == ("ok", (31337,), 0)
    (report,) = diagnosis.endpoints
    assert report.usable
    assert report.takes_transactions == "yes"
    assert (report.phase, report.reason) == (None, None)
    assert report.chain_id == 31337
    assert report.head is not None
    assert report.head.number == int(before[1], 16)
    assert report.client_version is not None
    assert report.client_version.startswith("anvil/")
    assert {"dial", "send", "answer"} == set(report.timings)
    assert report.answer is not None
    assert (node.rpc("txpool_status"), node.rpc("eth_blockNumber")) == before


def test_no_question_changes_a_node(node: Anvil) -> None:
    """Only one question could, and it sends an empty transaction."""
    asked: list[tuple[str, Any]] = []

    def reply(request: Request) -> bytes:
        asked.append((request.json["method"], request.json["params"]))
        return jsonrpc_result(request, "0x1")

    account = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
    before = node.rpc("eth_getTransactionCount", account, "pending")
    with Replying(reply) as server:
        seqsend.check([server.url, node.url], count=3)
    assert {method for method, _ in asked} <= {
        "eth_chainId",
        "eth_getBlockByNumber",
        "eth_syncing",
        "web3_clientVersion",
        "eth_sendRawTransaction",
    }
    assert [p for method, p in asked if method == "eth_sendRawTransaction"] == [["0x"]]
    assert node.rpc("eth_getTransactionCount", account, "pending") == before


# How each implementation answers an empty transaction.
PROBES: list[tuple[str, Answer, str, bool]] = [
    ("geth, op-geth, nitro", refusing(-32000, "typed transaction too short"), "yes", True),
    ("old geth", refusing(-32000, "EOF"), "yes", True),
    ("reth", refusing(-32602, "empty transaction data"), "yes", True),
    ("anvil", refusing(-32602, "Empty transaction data"), "yes", True),
    ("besu", refusing(-32602, "Invalid params"), "yes", True),
    (
        "besu, newer",
        refusing(-32602, "Invalid transaction params (missing or incorrect)"),
        "yes",
        True,
    ),
    ("nethermind", refusing(-32010, "Invalid RLP."), "yes", True),
    ("proxyd, listed", refusing(-32602, "typed transaction too short", 400), "yes", True),
    ("proxyd, not listed", refusing(-32601, "rpc method is not whitelisted", 403), "no", False),
    ("a read-only node", missing, "no", False),
    ("a rate limit", refusing(-32016, "over rate limit", 429), "inconclusive", True),
    ("a syncing node", refusing(-32000, "node is syncing"), "no", False),
    ("a stopped sequencer", refusing(-32000, "sequencer is stopped"), "no", False),
    ("Alchemy", refusing(-32600, "Unsupported method: eth_sendRawTransaction"), "no", False),
    ("unknown words", refusing(-32000, "computer says no"), "inconclusive", True),
    ("a proxy in trouble", lambda _request: http(502, b""), "inconclusive", True),
    (
        "an endpoint that takes anything",
        lambda r: jsonrpc_result(r, "0x" + "00" * 32),
        "inconclusive",
        True,
    ),
]


@pytest.mark.parametrize(
    ("probe", "takes", "usable"), [p[1:] for p in PROBES], ids=[p[0] for p in PROBES]
)
def test_the_answer_to_an_empty_transaction_tells_if_any_are_taken(
    probe: Answer,
    takes: str,
    usable: bool,  # noqa: FBT001
) -> None:
    with Replying(node(probe=probe)) as server:
        report = check_one(server.url)
    assert (report.takes_transactions, report.usable) == (takes, usable)
    if takes == "inconclusive":
        assert report.hint is not None
        assert report.hint.startswith("could not find out whether it takes transactions: ")


def test_a_send_only_endpoint_is_usable() -> None:
    with Replying(sends_only) as server:
        report = check_one(server.url)
    assert (report.usable, report.takes_transactions, report.chain_id) == (True, "yes", None)
    assert report.hint == "it only takes transactions"


GOOD = node(probe=refusing(-32000, "typed transaction too short"))
SYNCING = {"currentBlock": "0x64", "highestBlock": "0x3e8"}
FAULTS: dict[str, tuple[Callable[[], AbstractContextManager[Any]], str, str, str]] = {
    "nothing listens": (dead, "dial", "connection refused", "nothing listens on that port"),
    "SYNs dropped": (blackhole, "dial", "connection timed out", "a firewall drops packets"),
    "silent": (Silent, "answer", "no answer in time", "hangs or is overloaded"),
    "closed": (
        lambda: Closing(after="request", how="fin"),
        "answer",
        "connection closed",
        "something closes connections",
    ),
    "TLS on an http port": (
        lambda: Closing(after="request", how="fin", partial=b"\x15\x03\x01\x00\x02\x02\x46"),
        "answer",
        "the port wants https",
        "write https://",
    ),
    "400 of a TLS port": (
        lambda: Replying(http(400, b"The plain HTTP request was sent to HTTPS port")),
        "answer",
        "HTTP 400: the port wants https",
        "write https://",
    ),
    "401": (lambda: Replying(http(401, b"")), "answer", "HTTP 401", "put credentials into the URL"),
    "403": (lambda: Replying(http(403, b"")), "answer", "HTTP 403", "put credentials into the URL"),
    "404": (lambda: Replying(http(404, b"")), "answer", "HTTP 404", "check the path"),
    "405": (lambda: Replying(http(405, b"")), "answer", "HTTP 405", "does not accept POST"),
    "429": (lambda: Replying(http(429, b"")), "answer", "HTTP 429", "rate limited"),
    "redirect": (
        lambda: Replying(http(308, b"", {"Location": "https://seq.example/?key=secret"})),
        "answer",
        "HTTP 308 redirect to https://seq.example/?***, not followed",
        "use the address that it points to",
    ),
    "503": (lambda: Replying(http(503, b"")), "answer", "HTTP 503", "no healthy node behind it"),
    "504": (lambda: Replying(http(504, b"")), "answer", "HTTP 504", "the node behind it does not"),
    "500": (lambda: Replying(http(500, b"")), "answer", "HTTP 500", "see its log"),
    "418": (lambda: Replying(http(418, b"")), "answer", "HTTP 418", "check host, port and path"),
    "a web page": (lambda: Replying(explorer), "answer", "an HTML page", "block explorer"),
    "something else": (
        lambda: Replying(http(200, b"hello")),
        "answer",
        "not JSON",
        "does not speak JSON-RPC",
    ),
    "an op-node": (lambda: Replying(op_node), "answer", "an op-node", "the execution endpoint"),
    "a beacon node": (lambda: Replying(beacon), "answer", "HTTP 404", "a beacon (consensus) node"),
    "JSON-RPC of another kind": (
        lambda: Replying(missing),
        "answer",
        "neither eth_chainId nor eth_sendRawTransaction",
        "the execution endpoint",
    ),
    "not a quantity": (
        lambda: Replying(lambda r: jsonrpc_result(r, {"id": 1})),
        "answer",
        "is not a number",
        "the execution endpoint",
    ),
    "syncing": (
        lambda: Replying(node(probe=missing, others={"eth_syncing": SYNCING})),
        "answer",
        "takes no transactions",
        "the sequencer's own address",
    ),
    "still syncing": (
        lambda: Replying(
            node(probe=refusing(-32602, "Invalid params"), others={"eth_syncing": SYNCING})
        ),
        "answer",
        "still syncing (block 100 of 1000)",
        "wait until it has synced",
    ),
    "an error of the node": (
        lambda: Replying(refusing(-32000, "node is syncing")),
        "answer",
        "node is syncing (code -32000)",
        "wait until it has synced",
    ),
}


@pytest.mark.parametrize("what", FAULTS)
def test_every_fault_has_a_phase_a_reason_and_a_hint(what: str) -> None:
    start, phase, reason, hint = FAULTS[what]
    with start() as server:
        diagnosis = seqsend.check(server.url, dial_timeout=0.4, request_timeout=0.8)
    (report,) = diagnosis.endpoints
    assert not report.usable
    assert report.phase == phase
    assert reason in (report.reason or "")
    assert hint in (report.hint or "")
    assert diagnosis.status == "unreachable"
    assert phase == "answer" or phase not in report.timings


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.mark.parametrize(
    ("kind", "hint"),
    [
        ("expired", r"its certificate expired on \d{4}-\d\d-\d\d"),
        ("other host", "use a name that its certificate covers: other.example"),
        ("not yet", "clock"),
        ("stranger", "--cacert"),
        ("self-signed", "--cacert"),
    ],
)
def test_a_refused_certificate_gets_a_fitting_hint(
    authority: Authority, kind: Kind, hint: str
) -> None:
    context = authority.context(kind)
    with Replying(GOOD, tls=context) as server:
        report = check_one(server.url.replace("http", "https"), cacert=authority.pem)
        # Reading the certificate sends no request.
        assert server.requests == []
    assert (report.phase, report.usable) == ("tls", False)
    assert report.hint is not None
    assert re.search(hint, report.hint)


def test_a_certificates_names_are_shown_without_secrets_and_cut(authority: Authority) -> None:
    names = ["sesame-open-1234.example", *(f"n{n}.example" for n in range(40))]
    context = authority.context_for(*names)
    with Replying(GOOD, tls=context) as server:
        report = check_one(
            server.url.replace("http", "https"),
            cacert=authority.pem,
            headers={"Authorization": "Bearer sesame-open-1234"},
        )
    hint = report.hint or ""
    assert "its certificate covers: ***.example" in hint
    assert "n8.example, …" in hint
    assert "sesame" not in hint


@pytest.mark.parametrize("digits", [65, 100_000])
@pytest.mark.parametrize("where", ["chain id", "number", "timestamp", "syncing"])
@pytest.mark.parametrize("as_json", [True, False])
def test_a_number_over_256_bits_is_never_printed(where: str, digits: int, as_json: bool) -> None:  # noqa: FBT001
    long = "0x" + "9" * digits
    head = {"number": "0x10", "timestamp": "0x6553f100"} | (
        {where: long} if where in ("number", "timestamp") else {}
    )
    others = {
        "eth_chainId": long if where == "chain id" else "0x7a69",
        "eth_getBlockByNumber": head,
        "eth_syncing": {"currentBlock": long, "highestBlock": long}
        if where == "syncing"
        else False,
    }
    with Replying(node(probe=refusing(-32000, "typed transaction too short"), others=others)) as it:
        run = seqsend_program("check", f"--rollup.sequencer={it.url}", *["--json"] * as_json)
    assert run.code in (0, 4, 8)
    assert "9999999999" not in run.out + run.err


def test_tls_is_timed_and_the_certificates_expiry_is_reported(authority: Authority) -> None:
    with Replying(GOOD, tls=authority.context()) as server, StallingTLS() as stalling:
        report = check_one(server.url.replace("http", "https"), cacert=authority.pem)
        stalled = check_one(stalling.url.replace("http", "https"), dial_timeout=0.3)
    assert report.usable
    assert {"dial", "tls"} <= set(report.timings)
    assert report.tls_expires is not None
    assert 29 <= (report.tls_expires - time.time()) / 86_400 <= 30
    assert stalled.phase == "tls"
    assert "may not speak TLS" in (stalled.hint or "")


def test_a_websocket_endpoint_is_checked_too(node: Anvil) -> None:
    report = check_one(ws.as_ws(node.url))
    assert (report.usable, report.takes_transactions) == (True, "yes")
    with ws.refusing(503)() as url:
        refused = check_one(url)
    assert (refused.phase, refused.reason) == ("upgrade", "HTTP 503")


@contextmanager
def several(*answers: Answer) -> Iterator[list[str]]:
    with ExitStack() as stack:
        yield [stack.enter_context(Replying(answer)).url for answer in answers]


def of_chain(chain: int, block: int) -> Answer:
    head = {"number": hex(block), "timestamp": hex(int(time.time()))}
    return node(
        probe=refusing(-32602, "empty transaction data"),
        others={"eth_chainId": hex(chain), "eth_getBlockByNumber": head},
    )


def test_different_chain_ids_are_reported() -> None:
    with several(of_chain(1, 5), of_chain(10, 5), of_chain(10, 5)) as urls:
        compared = seqsend.check(urls)
        demanded = seqsend.check(urls, chain_id=1)
        none = seqsend.check(urls, chain_id=2)
    assert (compared.status, compared.chain_ids) == ("degraded", (1, 10))
    assert [r.usable for r in compared.endpoints] == [True] * 3
    assert compared.endpoints[0].reason == "chain id 1, but endpoint 2 has 10"
    assert [r.usable for r in demanded.endpoints] == [True, False, False]
    assert demanded.endpoints[1].reason == "chain id 10 instead of 1"
    assert (demanded.status, none.status) == ("degraded", "unreachable")


def test_heads_too_far_apart_are_reported() -> None:
    with several(of_chain(1, 100), of_chain(1, 89), of_chain(2, 5)) as urls:
        strict = seqsend.check(urls[:2])
        lax = seqsend.check(urls[:2], max_lag=11)
        apart = seqsend.check(urls, max_lag=11)
    assert (strict.status, strict.max_lag) == ("degraded", 11)
    assert [r.reason for r in strict.endpoints] == [None, "11 blocks behind"]
    assert strict.endpoints[1].usable
    assert (lax.status, lax.max_lag) == ("ok", 11)
    assert apart.max_lag == 11  # heads of other chains do not count


def test_a_head_that_has_not_moved_for_two_hours_is_stale() -> None:
    with Replying(node(probe=refusing(-32602, "Invalid params"), age=7200)) as server:
        diagnosis = seqsend.check(server.url)
        lenient = seqsend.check(server.url, max_age=None)
    (report,) = diagnosis.endpoints
    assert (diagnosis.status, report.verdict, report.usable) == ("degraded", "STALE", True)
    assert (report.reason, report.reason_code) == ("head is 2 h old", "head_old")
    assert lenient.status == "ok"


def test_endpoints_are_asked_concurrently() -> None:
    with ExitStack() as stack:
        urls = [stack.enter_context(Silent()).url for _ in range(8)]
        urls += [stack.enter_context(blackhole()).url for _ in range(4)]
        diagnosis = seqsend.check(urls, dial_timeout=0.5, request_timeout=0.5)
    assert diagnosis.elapsed <= 0.5 + 0.25 + 0.25  # 0.25 by contract, 0.25 to start 12 threads
    assert len(diagnosis.endpoints) == 12


def test_the_questions_to_one_endpoint_share_its_request_timeout() -> None:
    def slow(request: Request) -> bytes:
        if request.json["method"] != "eth_chainId":
            server.wait(5)
        return GOOD(request)

    with Replying(slow) as server:
        diagnosis = seqsend.check(server.url, request_timeout=0.5)
    assert diagnosis.elapsed <= 0.5 + 0.25
    (report,) = diagnosis.endpoints
    assert (report.usable, report.chain_id, report.head) == (True, 31337, None)
    assert report.takes_transactions is None
    assert (report.reason_code, diagnosis.status) == ("slow", "degraded")
    assert report.reason == "slow: 1 of 7 questions answered (request timeout 500ms)"


def test_the_median_is_accurate_and_lost_answers_are_counted() -> None:
    delays: list[float] = []

    def late(request: Request) -> bytes:
        if request.json["method"] != "eth_chainId":
            return GOOD(request)
        received = time.monotonic()
        server.wait(0.02)
        delays.append(time.monotonic() - received)  # over 20 ms on a busy machine
        return http(503, b"") if len(delays) % 10 == 0 else GOOD(request)

    attempts: list[Attempt] = []
    with Replying(late) as server:
        report = check_one(server.url, count=50, observer=attempts.append)
    assert report.samples is not None
    assert (len(report.samples.answers), report.samples.lost) == (45, 5)
    assert 0 <= report.samples.median - statistics.median(delays) <= 0.005
    assert min(report.samples.answers) <= report.samples.median <= report.samples.p95
    assert sum(a.method == "eth_chainId" for a in attempts) == 50
    assert sum(a.outcome == "outage" for a in attempts) == 5


def test_a_secret_that_the_server_echoes_is_hidden() -> None:
    key = "k3y" + "a" * 20

    def echo(request: Request) -> bytes:
        return node(probe=missing, others={"web3_clientVersion": f"at {request.path}"})(request)

    with Replying(echo) as server:
        report = check_one(f"{server.url}/{key}")
    assert report.client_version == "at /***"
    assert key not in repr(report)


@pytest.mark.parametrize(
    "wrong", [{"count": 0}, {"max_lag": -1}, {"dial_timeout": 0}, {"endpoints": ""}]
)
def test_a_wrong_argument_is_a_usage_error_with_an_example(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="example: "):
        seqsend.check(**({"endpoints": "http://seq1"} | wrong))


def report_of(index: int, chain_id: int | None, block: int | None) -> EndpointReport:
    endpoint = parse_endpoints(f"http://{n}" for n in range(1, 10))[index - 1]
    head = None if block is None else Head(block)
    return EndpointReport(endpoint, "usable", chain_id=chain_id, head=head)


def test_unknown_chain_ids_and_heads_are_not_compared() -> None:
    reports = [report_of(1, None, None), report_of(2, 1, None), report_of(3, 1, 7)]
    judged = judge(reports, Limits(max_lag=0))
    assert [r.reason for r in judged] == [None] * 3
    assert Diagnosis(judged, 0.1).max_lag == 0
    assert Diagnosis(tuple(reports[:2]), 0.1).max_lag is None
