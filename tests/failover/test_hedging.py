"""`--hedge-after`: asking the next endpoint beside a silent one, and how both attempts end."""

import errno
import json
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqsend import (
    Attempt,
    CallError,
    DeliveryUnknown,
    Interrupted,
    Preference,
    Preferred,
    Rejected,
    Sent,
    SequencerClient,
    Unreachable,
    UsageError,
)
from seqsend.endpoints import parse_endpoints
from seqsend.failover.requester import Request as Encoded
from seqsend.failover.submission import Submission
from seqsend.jsonrpc import Call
from seqsend.models import CallEnded, Event, JsonRpcError
from seqsend.sending.stream import Line
from seqsend.verdicts.failure_table import RESULT, VERDICT, Judgement
from tests.support import ws
from tests.support.calls import calls_in, respond
from tests.support.cli import seqsend, start
from tests.support.moments import count_connections, is_asleep, until
from tests.support.servers import (
    Closing,
    Replying,
    Request,
    Server,
    Silent,
    blackhole,
    dead,
    http,
    jsonrpc_error,
    jsonrpc_result,
)
from tests.support.wallet import Wallet

SIGNED = Wallet(0).sign(2, nonce=0)
MARGIN = 0.25  # seconds by which a promised time may be missed
LONG = 20.0  # seconds; a request timeout that no test here reaches
SENDS = "eth_sendRawTransaction"


def accept(request: Request) -> bytes:
    """Accept every transaction; look-ups find none."""
    return jsonrpc_result(request, SIGNED.hash if request.json["method"] == SENDS else None)


def refuse(text: str, known: str | None = None) -> Callable[[Request], bytes]:
    """Refuse every transaction; look-ups find ``known``."""

    def reply(request: Request) -> bytes:
        if request.json["method"] == SENDS:
            return jsonrpc_error(request, -32000, text)
        return jsonrpc_result(request, None if known is None else {"hash": known})

    return reply


class Hung(Server):
    """Never answers a send, and waits until its client has gone; answers other calls."""

    def __init__(self, reply: Callable[[Request], bytes] = accept) -> None:
        super().__init__()
        self._reply = reply
        self.gone = 0
        """How many clients have gone away before they were answered."""

    def handle(self, connection: socket.socket) -> None:
        while (request := self.read_request(connection)) is not None:
            if "send" in calls_in(request)[0]["method"]:
                with suppress(OSError):
                    connection.recv(1)
                self.gone += 1
                return
            connection.sendall(self._reply(request))


class Late(Server):
    """Answers, and takes the transaction, only once it is allowed to."""

    def __init__(self) -> None:
        super().__init__()
        self.may_answer = threading.Event()
        self.answered = threading.Event()

    def answer_once(self, holds: Callable[[], object]) -> None:
        """Allow it to answer as soon as ``holds()`` is true."""

        def allow() -> None:
            until(holds)
            self.may_answer.set()

        threading.Thread(target=allow, daemon=True).start()

    def handle(self, connection: socket.socket) -> None:
        while (request := self.read_request(connection)) is not None:
            self.may_answer.wait(LONG)
            with suppress(OSError):
                connection.sendall(accept(request))
            self.answered.set()


@contextmanager
def client_of(
    *urls: str, hedge_after: float | None = 0.1, **options: Any
) -> Iterator[tuple[SequencerClient, list[Event]]]:
    seen: list[Event] = []
    options = {"request_timeout": LONG} | options
    with SequencerClient(urls, hedge_after=hedge_after, observer=seen.append, **options) as client:
        yield client, seen


def summaries(attempts: tuple[Attempt, ...]) -> list[tuple[int, str, str]]:
    return [(a.endpoint.index, a.outcome, a.delivered) for a in attempts]


def send(client: SequencerClient) -> Sent | CallError:
    try:
        return client.send_raw_transaction(SIGNED.raw)
    except CallError as error:
        return error


def threads() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name == "seqsend-hedge"]


# ---- Which endpoint is asked, when, and what is reported ----


def test_a_hung_endpoint_costs_no_more_than_the_hedge_time() -> None:
    with Hung() as one, Replying(accept) as two:
        with client_of(two.url) as (client, _):
            alone = client.send_raw_transaction(SIGNED.raw).elapsed
        with client_of(one.url, two.url, hedge_after=0.3) as (client, seen):
            sent = client.send_raw_transaction(SIGNED.raw)
            assert 0.3 <= sent.elapsed < alone + 0.3 + 0.1
            assert summaries(sent.attempts) == [(1, "abandoned", "unknown"), (2, "answered", "yes")]
            assert (sent.status, sent.failovers, sent.endpoint.index) == ("accepted", 1, 2)
            assert client.preferred is sent.endpoint
            again = client.send_raw_transaction(SIGNED.raw)
        until(lambda: one.gone == 1)
        assert summaries(again.attempts) == [(2, "answered", "yes")]
    assert [e.endpoint.index for e in seen if isinstance(e, Preferred)] == [2]
    assert [e.failed_over for e in seen if isinstance(e, CallEnded)] == [True, False]
    until(lambda: not threads())


def test_the_program_reports_an_abandoned_attempt() -> None:
    with Hung() as one, Replying(accept) as two:
        where = f"--rollup.sequencer-http={one.url},{two.url}"
        run = seqsend("send", SIGNED.raw, where, "--hedge-after=300ms", "--json")
        assert run.code == 0
        first, second = run.document["attempts"]
        assert (first["outcome"], first["reason_code"]) == ("abandoned", "abandoned")
        assert (first["delivered"], first["phase"]) == ("unknown", "answer")
        assert second["outcome"] == "answered"
        assert run.document["failovers"] == 1
        line, answered = run.err.splitlines()
        assert line.startswith(f"endpoint 1 of 2 {one.url}: abandoned because another endpoint")
        assert "answered by endpoint 2 of 2" in answered
        # A daemon thread does not keep the process alive.
        assert run.lingered < 1.0


def test_an_endpoint_that_answers_in_time_is_asked_alone() -> None:
    with Replying(accept) as one, Replying(accept) as two:
        with client_of(one.url, two.url, hedge_after=5.0) as (client, _):
            for _ in range(3):
                assert summaries(client.send_raw_transaction(SIGNED.raw).attempts) == [
                    (1, "answered", "yes")
                ]
        assert one.connections == 1, "kept alive from thread to thread"
        assert not two.requests


def test_zero_asks_all_at_once() -> None:
    with Hung() as one, Hung() as two, Replying(accept) as three:
        with client_of(one.url, two.url, three.url, hedge_after=0) as (client, _):
            sent = client.send_raw_transaction(SIGNED.raw)
        assert sent.elapsed < MARGIN
        assert [a.endpoint.index for a in sent.attempts] == [1, 2, 3]
        assert [a.outcome for a in sent.attempts] == ["abandoned", "abandoned", "answered"]
        assert sent.failovers == 2


def test_each_endpoint_waits_for_the_one_before() -> None:
    with (
        Hung() as one,
        Hung() as two,
        Replying(accept) as three,
        client_of(one.url, two.url, three.url, hedge_after=0.2) as (client, _),
    ):
        sent = client.send_raw_transaction(SIGNED.raw)
    assert 0.4 <= sent.elapsed < 0.4 + MARGIN
    assert 0.2 <= sent.attempts[1].elapsed < 0.2 + MARGIN


def test_after_an_outage_the_next_is_asked_at_once() -> None:
    with (
        dead() as one,
        Replying(accept) as two,
        client_of(one.url, two.url, hedge_after=5.0) as (client, _),
    ):
        sent = client.send_raw_transaction(SIGNED.raw)
    assert sent.elapsed < MARGIN
    assert summaries(sent.attempts) == [(1, "failover", "no"), (2, "answered", "yes")]


def test_after_an_outage_beside_an_open_attempt_the_next_is_asked_at_once() -> None:
    with (
        Hung() as one,
        dead() as two,
        Replying(accept) as three,
        client_of(one.url, two.url, three.url, hedge_after=0.5) as (client, _),
    ):
        sent = client.send_raw_transaction(SIGNED.raw)
    assert 0.5 <= sent.elapsed < 0.5 + MARGIN
    assert summaries(sent.attempts) == [
        (1, "abandoned", "unknown"),
        (2, "failover", "no"),
        (3, "answered", "yes"),
    ]


def test_the_first_may_still_win() -> None:
    with Late() as one, Hung() as two, client_of(one.url, two.url) as (client, _):
        one.answer_once(lambda: two.requests)
        sent = client.send_raw_transaction(SIGNED.raw)
        assert client.preferred.index == 1
    assert summaries(sent.attempts) == [(1, "answered", "yes"), (2, "abandoned", "unknown")]
    assert sent.failovers == 0


def test_a_failure_beside_an_attempt_that_then_answers_is_not_a_failover() -> None:
    with Late() as one, dead() as two, client_of(one.url, two.url) as (client, seen):
        one.answer_once(lambda: seen)
        sent = client.send_raw_transaction(SIGNED.raw)
    # No endpoint was tried after it.
    assert summaries(sent.attempts) == [(1, "answered", "yes"), (2, "outage", "no")]


def test_an_attempt_that_was_abandoned_while_dialling_did_not_deliver() -> None:
    with (
        blackhole() as one,
        Replying(refuse("insufficient funds")) as two,
        client_of(one.url, two.url, dial_timeout=LONG) as (client, _),
    ):
        ended = send(client)
    assert isinstance(ended, Rejected)
    assert summaries(ended.attempts) == [(1, "abandoned", "no"), (2, "verdict", "yes")]
    assert ended.attempts[0].phase == "dial"


# ---- Verdicts ----

_SAID = {
    "a result": Judgement(RESULT, result=SIGNED.hash),
    "already known": Judgement(VERDICT, error=JsonRpcError(-32000, "already known")),
    "nonce too low": Judgement(VERDICT, error=JsonRpcError(-32000, "nonce too low")),
    "insufficient funds": Judgement(VERDICT, error=JsonRpcError(-32000, "insufficient funds")),
}
"""The most conclusive comes first."""


@pytest.mark.parametrize("words", ["nonce too low", "already known", "insufficient funds"])
@pytest.mark.parametrize("shown", [True, False])
def test_a_verdict_is_not_final_if_an_abandoned_attempt_may_have_delivered(
    words: str,
    shown: bool,  # noqa: FBT001
) -> None:
    # Endpoint 1 took it and stayed silent; a look-up shows what it has.
    knows = refuse("", SIGNED.hash if shown else None)
    with (
        Hung(knows) as one,
        Replying(refuse(words)) as two,
        client_of(one.url, two.url) as (client, _),
    ):
        ended = send(client)
    outcomes = ["abandoned", "verdict", "not_found", "found" if shown else "not_found"]
    assert [a.outcome for a in ended.attempts] == outcomes
    assert isinstance(ended, Sent if shown else DeliveryUnknown)
    assert ended.endpoint is not None
    assert ended.endpoint.index == (1 if shown else 2)


def test_a_verdict_on_a_submission_by_rpc_is_not_final_either() -> None:
    with (
        Hung() as one,
        Replying(refuse("nonce too low")) as two,
        client_of(one.url, two.url) as (client, _),
        pytest.raises(DeliveryUnknown) as caught,
    ):
        client.request(SENDS, [SIGNED.raw])
    assert caught.value.message == "nonce too low"


def test_a_verdict_on_a_read_is_final() -> None:
    with Late() as one, Replying(lambda r: jsonrpc_error(r, -32602, "missing value")) as two:
        with client_of(one.url, two.url) as (client, _), pytest.raises(Rejected):
            client.request("eth_call")
        one.may_answer.set()


def test_if_both_refuse_it_is_rejected_unless_one_was_abandoned() -> None:
    both = threading.Barrier(2)

    def reply(request: Request) -> bytes:
        if request.json["method"] == SENDS:
            both.wait(LONG)
        return refuse("nonce too low")(request)

    with (
        Replying(reply) as one,
        Replying(reply) as two,
        client_of(one.url, two.url, hedge_after=0) as (client, _),
    ):
        ended = send(client)
    # The other verdict either came in time or was not waited for.
    assert isinstance(ended, Rejected | DeliveryUnknown)
    outcomes = [a.outcome for a in ended.attempts[:2]]
    assert ("abandoned" in outcomes) is isinstance(ended, DeliveryUnknown)


@given(st.permutations([*_SAID, *_SAID]), st.integers(1, 4))
def test_the_most_conclusive_of_several_answers_counts(said: list[str], count: int) -> None:
    endpoints = parse_endpoints([f"http://seq{n}" for n in range(count)])
    call = Call(SENDS, ["0x"], expected=SIGNED.hash)
    submission = Submission(Encoded(call, 1, b""))
    for endpoint, words in zip(endpoints, said, strict=False):
        submission.decide(_SAID[words], endpoint)
    heard = said[:count]
    (most, *_) = (words for words in _SAID if words in heard)
    assert submission.decided is _SAID[most]
    assert submission.answered_by is endpoints[heard.index(most)]


def test_if_all_fail_each_was_asked_and_none_was_abandoned() -> None:
    with Closing(after="request", how="fin") as one, dead() as two, dead() as three:
        with client_of(one.url, two.url, three.url, hedge_after=0) as (client, _):
            ended = send(client)
        with client_of(two.url, three.url, hedge_after=0) as (client, _):
            nothing = send(client)
    assert isinstance(ended, DeliveryUnknown)
    assert sorted(a.endpoint.index for a in ended.attempts if "look" not in a.outcome) == [1, 2, 3]
    assert "abandoned" not in [a.outcome for a in ended.attempts]
    assert isinstance(nothing, Unreachable)


def test_being_asked_first_does_not_make_a_failing_endpoint_preferred() -> None:
    with (
        dead() as one,
        dead() as two,
        client_of(
            *(one.url, two.url),
            hedge_after=0,
            begin_at=Preference(2, age=9.0),
            failback_after=0.001,
        ) as (client, seen),
    ):
        ended = send(client)
    assert isinstance(ended, Unreachable)
    assert [attempt.endpoint.index for attempt in ended.attempts] == [1, 2]
    assert [event for event in seen if isinstance(event, Preferred)] == []


def test_if_all_hang_each_has_its_whole_request_timeout() -> None:
    with (
        Silent() as one,
        Silent() as two,
        client_of(one.url, two.url, request_timeout=0.5) as (client, _),
    ):
        began = time.monotonic()
        with pytest.raises(DeliveryUnknown) as caught:
            client.request("eth_chainId")
        took = time.monotonic() - began
    assert 0.6 <= took < 0.6 + MARGIN
    assert summaries(caught.value.attempts) == [
        (1, "failover", "unknown"),
        (2, "outage", "unknown"),
    ]


def test_the_deadline_ends_all_attempts() -> None:
    with Silent() as one, Silent() as two, Silent() as three:
        urls = (one.url, two.url, three.url)
        with client_of(*urls, hedge_after=0.3, deadline=0.5) as (client, _):
            began = time.monotonic()
            with pytest.raises(DeliveryUnknown) as caught:
                client.request("eth_chainId")
            took = time.monotonic() - began
        assert not three.requests
    assert 0.5 <= took < 0.5 + MARGIN
    assert "endpoint 3 not tried" in str(caught.value)


def test_hedged_rounds_are_repeated() -> None:
    busy = iter([True, True])

    def reply(request: Request) -> bytes:
        return http(429, b"") if next(busy, False) else accept(request)

    with (
        Replying(reply) as one,
        Replying(reply) as two,
        client_of(one.url, two.url, hedge_after=0, retry_for=5.0) as (client, _),
    ):
        sent = client.send_raw_transaction(SIGNED.raw)
    assert sent.rounds == 2
    assert [a.delivered for a in sent.attempts if a.round == 1] == ["no", "no"]


# ---- When nothing is hedged ----


@pytest.mark.parametrize("retry_unsafe", [False, True])
@pytest.mark.parametrize("method", ["eth_sendTransaction", "wallet_sendCalls"])
def test_a_method_that_could_act_twice_is_never_hedged(method: str, retry_unsafe: bool) -> None:  # noqa: FBT001
    with Silent() as one, Replying(accept) as two:
        with (
            client_of(one.url, two.url, request_timeout=0.4, hedge_after=0) as (client, _),
            suppress(DeliveryUnknown),
        ):
            answer = client.request(method, [{}], retry_unsafe=retry_unsafe)
            assert answer.elapsed >= 0.4
        assert len(two.requests) == int(retry_unsafe)


def test_a_single_endpoint_needs_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_thread(*_arguments: object) -> None:
        raise AssertionError

    echo = ws.answering(lambda r: b'{"jsonrpc":"2.0","id":%d,"result":"0x1"}' % r["id"])
    with ws.serving(echo) as url, Replying(accept) as two:
        monkeypatch.setattr("seqsend.threads.start", no_thread)
        with client_of(url, hedge_after=0) as (client, _):
            assert client.request("eth_chainId").result == "0x1"
        with client_of(two.url, two.url + "/x", hedge_after=None) as (client, _):
            client.send_raw_transaction(SIGNED.raw)


@pytest.mark.parametrize("hedge_after", [-1.0, float("nan"), 1e9])
def test_invalid_times_are_refused(hedge_after: float) -> None:
    with pytest.raises(UsageError, match="hedge_after"):
        SequencerClient("http://a,http://b", hedge_after=hedge_after)


@pytest.mark.parametrize("typed", ["0ms", "0s", "300ms", "1m"])
def test_times_on_the_command_line_need_a_unit(typed: str) -> None:
    with dead() as one, dead() as two:
        where = f"--rollup.sequencer-http={one.url},{two.url}"
        assert seqsend("rpc", "eth_chainId", where, f"--hedge-after={typed}").code == 4
        run = seqsend("rpc", "eth_chainId", where, "--hedge-after=0")
        assert run.code == 2
        assert "has no unit" in run.err


def _no_thread(_job: object, _name: str) -> None:
    raise RuntimeError("can't start new thread")


def _no_descriptor() -> None:
    raise OSError(errno.EMFILE, "Too many open files")


LACKING: dict[str, tuple[str, object]] = {
    "thread": ("seqsend.threads.start", _no_thread),
    "descriptor": ("seqsend.waiting.socket_pair", _no_descriptor),
    "descriptor for a thread": ("seqsend.waiting.Cancellation", _no_descriptor),
}


@pytest.mark.parametrize("lacking", LACKING)
def test_without_threads_or_descriptors_endpoints_are_asked_one_by_one(
    lacking: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        Silent() as one,
        Replying(accept) as two,
        client_of(one.url, two.url, request_timeout=0.4, hedge_after=0) as (client, _),
    ):
        monkeypatch.setattr(*LACKING[lacking])
        sent = client.send_raw_transaction(SIGNED.raw)
        monkeypatch.undo()
    assert sent.elapsed >= 0.4
    assert summaries(sent.attempts) == [(1, "failover", "unknown"), (2, "answered", "yes")]


# ---- Late answers, batches, signals ----


def test_a_late_answer_disturbs_nothing() -> None:
    with Late() as one, Replying(accept) as two:
        with client_of(one.url, two.url) as (client, seen):
            client.send_raw_transaction(SIGNED.raw)
            until(lambda: not threads())
            count = len(seen)
            one.may_answer.set()
            assert one.answered.wait(LONG)
            assert len(seen) == count
            assert client.preferred.index == 2
            # Its connection is not used again, nor its answer taken for another's.
            two.drop_connections()
            two._stopped.set()
            two._listening.close()
            answer = client.request("eth_getBalance")
            assert (answer.endpoint.index, answer.result) == (1, None)
        assert one.connections == 2


@pytest.mark.parametrize("hedge_after", [0.0, 0.05])
def test_many_calls_leave_no_threads_or_descriptors_behind(hedge_after: float) -> None:
    def descriptors() -> int:
        return len(os.listdir("/proc/self/fd"))

    with (
        Hung() as one,
        Replying(accept) as two,
        client_of(one.url, two.url, hedge_after=hedge_after) as (client, _),
    ):
        client.send_raw_transaction(SIGNED.raw)
        until(lambda: not threads())
        before = descriptors()
        for _ in range(200 if hedge_after == 0 else 10):
            client.send_raw_transaction(SIGNED.raw)
        until(lambda: not threads())
        # The server's, in the same process, are closed a little later.
        until(lambda: descriptors() <= before + 2)


def test_a_batch_is_hedged_as_a_whole() -> None:
    signed = [Wallet(0).sign(2, nonce=nonce) for nonce in range(4)]
    hashes = {s.raw: s.hash for s in signed}

    def reply(request: Request) -> bytes:
        busy = {"error": {"code": -32000, "message": "txpool is full"}}
        calls = calls_in(request)
        is_first = len(calls) == 4
        members = [
            busy if is_first and at % 2 else {"result": hashes[call["params"][0]]}
            for at, call in enumerate(calls)
        ]
        return respond(request, members)

    with Hung() as one, Replying(reply) as two, Replying(reply) as three:
        run = seqsend(
            *("send", "-", "--batch-size=4", "--json", "--hedge-after=600ms"),
            f"--rollup.sequencer-http={one.url},{two.url},{three.url}",
            stdin="".join(f"{s.raw}\n" for s in signed),
        )
        assert len(three.requests[0].json) == 2
    assert [d["status"] for d in run.documents] == ["accepted"] * 4
    attempts = [
        [(a["endpoint"]["index"], a["outcome"]) for a in d["attempts"]] for d in run.documents
    ]
    by_two = [(1, "abandoned"), (2, "answered")]
    assert attempts == [by_two, [(1, "abandoned"), (2, "failover"), (3, "answered")]] * 2


def test_an_endpoint_with_a_batch_limit_is_sent_every_part_beside_another() -> None:
    signed = [Wallet(0).sign(2, nonce=nonce) for nonce in range(4)]
    hashes = {s.raw: s.hash for s in signed}

    def reply(request: Request) -> bytes:
        if len(request.json) > 2:
            return http(413, b"")
        until(lambda: two.requests)  # else the answers may come before it is asked at all
        return respond(request, [{"result": hashes[c["params"][0]]} for c in calls_in(request)])

    with (
        Replying(reply) as one,
        Hung() as two,
        client_of(one.url, two.url, hedge_after=0) as (client, _),
    ):
        lines = (Line(number, s.raw) for number, s in enumerate(signed, start=1))
        ended = list(client.stream(batch_size=4).run(lines))
    assert [(e.status, e.hash) for e in ended] == [("accepted", s.hash) for s in signed]
    assert [len(request.json) for request in one.requests] == [4, 2, 2]
    assert len(two.requests) == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_interrupts_all_open_attempts(number: signal.Signals) -> None:
    with Hung() as one, Hung() as two, blackhole() as three:
        running = start(
            *("send", SIGNED.raw, "--json", "--hedge-after=0ms", "--sequencer-dial-timeout=20s"),
            f"--rollup.sequencer-http={one.url},{two.url},{three.url}",
        )
        until(lambda: one.requests and two.requests)
        until(lambda: count_connections("SYN_SENT", three.port) > three.waiting)
        until(lambda: is_asleep(running))
        running.send_signal(number)
        out, err = running.communicate(timeout=10)
    assert running.returncode == 130
    found = json.loads(out)
    assert found["status"] == "interrupted"
    assert found["hash"] == SIGNED.hash
    assert [(a["outcome"], a["delivered"]) for a in found["attempts"]] == [
        ("interrupted", "unknown"),
        ("interrupted", "unknown"),
        ("interrupted", "no"),
    ]
    assert "Traceback" not in err
    assert "may have been delivered" in err


def test_ctrl_c_interrupts_all_open_attempts_of_the_library(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    take = "seqsend.threads.Mailbox.take"
    real = __import__("seqsend.threads", fromlist=["Mailbox"]).Mailbox.take

    with Hung() as one, Hung() as two:

        def interrupted(self: Any, seconds: float | None, *, heeds_signals: bool = True) -> Any:
            if heeds_signals and one.requests and two.requests:
                raise KeyboardInterrupt
            return real(self, 0.01 if heeds_signals else seconds, heeds_signals=heeds_signals)

        monkeypatch.setattr(take, interrupted)
        with (
            client_of(one.url, two.url, hedge_after=0) as (client, _),
            pytest.raises(Interrupted) as caught,
        ):
            client.send_raw_transaction(SIGNED.raw)
    assert summaries(caught.value.attempts) == [
        (1, "interrupted", "unknown"),
        (2, "interrupted", "unknown"),
    ]
    until(lambda: not threads())
