"""The failover loop over a scripted transport: its order, its end, its preference."""

import itertools
import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqsend.endpoints import parse_endpoints
from seqsend.errors import CallError, DeliveryUnknown, EndpointFailure, Rejected, Unreachable
from seqsend.failover.loop import Failover
from seqsend.failover.requester import Observer, Requester, Timeouts
from seqsend.jsonrpc import Call
from seqsend.models import CallEnded, Endpoint, Event, Preference, Preferred, Reply
from seqsend.transports.base import Exchange

RESULT = b'{"jsonrpc":"2.0","id":%d,"result":"0x1"}'
VERDICT = b'{"jsonrpc":"2.0","id":%d,"error":{"code":-32000,"message":"nonce too low"}}'
LACKING = b'{"jsonrpc":"2.0","id":%d,"error":{"code":-32601,"message":"method not found"}}'
QUOTING = (
    b'{"jsonrpc":"2.0","id":%d,"error":{"code":-32000,"message":"no project s3cr3t-k3y",'
    b'"data":{"see":["https://node/s3cr3t-k3y/x"]}}}'
)
ANSWERS = {"result": RESULT, "verdict": VERDICT, "lacking": LACKING, "quoting": QUOTING}
NO_BATCHES = "no batches, "

Outcomes = dict[int, str]


class Scripted:
    """A transport whose endpoints behave as scripted: only the loop is tested here."""

    def __init__(self, outcomes: Outcomes) -> None:
        self.outcomes = outcomes
        self.bodies: list[bytes] = []
        self._of_this_thread = threading.local()

    @property
    def asked(self) -> list[int]:
        """The endpoints that this thread asked, in order."""
        found: list[int] = self._of_this_thread.__dict__.setdefault("asked", [])
        return found

    def exchange(self, endpoint: Endpoint, body: bytes, exchange: Exchange) -> Reply:
        self.asked.append(endpoint.index)
        self.bodies.append(body)
        outcome = self.outcomes[endpoint.index]
        if outcome.startswith(NO_BATCHES):
            if body.startswith(b"["):
                return Reply(413, b"")
            outcome = outcome.removeprefix(NO_BATCHES)
        if outcome == "refused":
            raise EndpointFailure("connection refused", "refused")
        exchange.enter("answer")
        exchange.written = True
        if outcome == "silent":
            raise EndpointFailure("no answer in time", "timeout")
        if outcome == "interrupt":
            raise KeyboardInterrupt
        request_id = int(body.split(b'"id":')[1].split(b",")[0])
        return Reply(200, ANSWERS[outcome] % request_id)

    def close(self) -> None:
        raise AssertionError


def _failover(
    outcomes: Outcomes,
    *,
    total: float | None = None,
    failback_after: float | None = None,
    begin_at: Preference | None = None,
    observer: Observer | None = None,
    secrets: frozenset[str] = frozenset(),
) -> tuple[Failover, Scripted]:
    transport = Scripted(outcomes)
    endpoints = parse_endpoints([f"http://seq{i}" for i in sorted(outcomes)])
    limits = Timeouts(total=total)
    requester = Requester(transport, limits, observer=observer, secrets=secrets)
    return Failover(
        endpoints, requester, failback_after=failback_after, begin_at=begin_at
    ), transport


def _end(failover: Failover, method: str = "eth_chainId", *, retry_unsafe: bool = False) -> str:
    try:
        failover.call(Call(method, []), retry_unsafe=retry_unsafe)
    except CallError as error:
        return error.status
    return "ok"


def _model(
    outcomes: Outcomes, preferred: int, method: str, *, retry_unsafe: bool = False
) -> tuple[str, list[int], int]:
    """Return what the contract says of a call: its end, the endpoints asked, the preferred one."""
    count = len(outcomes)
    asked: list[int] = []
    maybe = False
    for step in range(count):
        index = (preferred - 1 + step) % count + 1
        asked.append(index)
        outcome = outcomes[index]
        if outcome in ("result", "verdict"):
            untrusted = maybe and method != "eth_chainId"  # it submits something
            refused = "unknown" if untrusted else "rejected"
            return "ok" if outcome == "result" else refused, asked, index
        maybe = maybe or outcome == "silent"
        if maybe and method == "eth_sendTransaction" and not retry_unsafe:
            return "unknown", asked, preferred
    return "unknown" if maybe else "unreachable", asked, preferred


_OUTCOMES = st.sampled_from(["refused", "silent", "result", "verdict"])


@given(
    count=st.integers(1, 5),
    data=st.data(),
    method=st.sampled_from(["eth_chainId", "eth_sendRawTransaction", "eth_sendTransaction"]),
    retry_unsafe=st.booleans(),
)
def test_a_call_asks_and_ends_as_the_contract_says(
    count: int,
    data: st.DataObject,
    method: str,
    retry_unsafe: bool,  # noqa: FBT001
) -> None:
    one = st.fixed_dictionaries(dict.fromkeys(range(1, count + 1), _OUTCOMES))
    sequence = data.draw(st.lists(one, min_size=1, max_size=6))
    failover, transport = _failover(sequence[0])
    preferred = 1
    for outcomes in sequence:
        transport.outcomes = outcomes
        transport.asked.clear()
        end, asked, preferred = _model(outcomes, preferred, method, retry_unsafe=retry_unsafe)
        assert _end(failover, method, retry_unsafe=retry_unsafe) == end
        assert transport.asked == asked
        assert failover.preferred.index == preferred


@given(
    count=st.integers(1, 4),
    threads=st.integers(1, 8),
    data=st.data(),
    method=st.sampled_from(["eth_chainId", "eth_sendRawTransaction", "eth_sendTransaction"]),
)
def test_any_number_of_threads_keep_to_the_same_model(
    count: int, threads: int, data: st.DataObject, method: str
) -> None:
    """Each call starts at an endpoint that was preferred at some time, and goes on as if alone."""
    one = st.fixed_dictionaries(dict.fromkeys(range(1, count + 1), _OUTCOMES))
    failover, transport = _failover(dict.fromkeys(range(1, count + 1), "refused"))
    for outcomes in data.draw(st.lists(one, min_size=1, max_size=3)):
        transport.outcomes = outcomes
        preferred = {failover.preferred.index}
        while not (then := {_model(outcomes, p, method)[2] for p in preferred}) <= preferred:
            preferred |= then
        allowed = [_model(outcomes, p, method)[:2] for p in preferred]
        start = threading.Barrier(threads)
        seen: list[tuple[str, list[int]]] = []

        def call_twice(start: threading.Barrier = start, seen: Any = seen) -> None:
            start.wait()
            for _ in range(2):
                transport.asked.clear()
                end = _end(failover, method)
                seen.append((end, list(transport.asked)))

        running = [threading.Thread(target=call_twice) for _ in range(threads)]
        for thread in running:
            thread.start()
        for thread in running:
            thread.join()
        assert len(seen) == 2 * threads
        assert [call for call in seen if call not in allowed] == []
        assert failover.preferred.index in preferred


def test_every_endpoint_gets_the_same_bytes_and_every_attempt_is_reported() -> None:
    events: list[Event] = []
    failover, transport = _failover(
        {1: "refused", 2: "silent", 3: "result"}, observer=events.append
    )
    answer = failover.call(Call("eth_chainId", []))
    assert len(set(transport.bodies)) == 1
    *attempts, preferred, ended = events
    assert isinstance(ended, CallEnded)
    assert answer.attempts == tuple(attempts)
    assert preferred == Preferred(answer.endpoint)
    assert [(a.outcome, a.delivered) for a in answer.attempts] == [
        ("failover", "no"),
        ("failover", "unknown"),
        ("answered", "yes"),
    ]
    assert (answer.failovers, answer.endpoint.index) == (2, 3)


def test_the_error_lists_every_attempt_in_order() -> None:
    failover, _ = _failover({1: "refused", 2: "silent"})
    with pytest.raises(DeliveryUnknown) as caught:
        failover.call(Call("eth_chainId", []))
    assert str(caught.value).splitlines()[1:] == [
        "  endpoint 1 of 2 http://seq1: connection refused",
        "  endpoint 2 of 2 http://seq2: no answer in time",
    ]
    assert [a.outcome for a in caught.value.attempts] == ["failover", "outage"]
    assert caught.value.delivered == "unknown"


def test_a_verdict_carries_the_error_unchanged() -> None:
    failover, _ = _failover({1: "refused", 2: "verdict", 3: "result"})
    with pytest.raises(Rejected) as caught:
        failover.call(Call("eth_sendRawTransaction", []))
    error = caught.value
    assert (error.code, error.message, error.data) == (-32000, "nonce too low", None)
    assert [a.endpoint.index for a in error.attempts] == [1, 2]
    assert failover.preferred.index == 2


def test_the_error_says_why_it_stopped_before_the_last_endpoint() -> None:
    failover, _ = _failover({1: "silent", 2: "result", 3: "result"})
    with pytest.raises(DeliveryUnknown, match=r"could do it twice; endpoints 2, 3 not tried"):
        failover.call(Call("eth_sendTransaction", []))
    failover, transport = _failover({1: "refused", 2: "result"}, total=1e-9)
    with pytest.raises(Unreachable, match=r"deadline .* passed; endpoint 2 not tried"):
        failover.call(Call("eth_chainId", []))
    assert transport.asked == [1]


def test_it_fails_back_to_endpoint_1_only_once_the_time_has_passed() -> None:
    failover, transport = _failover({1: "refused", 2: "result"}, failback_after=3600)
    assert [_end(failover), _end(failover)] == ["ok", "ok"]
    assert transport.asked == [1, 2, 2]
    failover, transport = _failover({1: "refused", 2: "result"}, failback_after=1e-9)
    assert [_end(failover), _end(failover)] == ["ok", "ok"]
    assert transport.asked == [1, 2, 1, 2]
    transport.outcomes[1] = "result"
    assert [_end(failover), _end(failover)] == ["ok", "ok"]
    assert transport.asked[4:] == [1, 1]
    assert failover.preferred.index == 1


def test_steady_traffic_does_not_put_off_the_failback(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("seqsend.failover.order.time.monotonic", lambda: now[0])
    failover, transport = _failover({1: "refused", 2: "result"}, failback_after=10)
    for second in (0.0, 4.0, 8.0, 12.0):
        now[0] = second
        assert _end(failover) == "ok"
    assert transport.asked == [1, 2, 2, 2, 1, 2]


@pytest.mark.parametrize(
    ("outcome", "method", "preferred"),
    [
        ("lacking", "eth_chainId", 1),  # it may be a send-only endpoint
        ("lacking", "eth_sendRawTransaction", 2),
        ("refused", "eth_chainId", 2),
    ],
)
def test_a_missing_method_moves_the_preferred_endpoint_only_if_it_sends(
    outcome: str, method: str, preferred: int
) -> None:
    failover, transport = _failover({1: outcome, 2: "result"})
    assert _end(failover, method) == "ok"
    assert transport.asked == [1, 2]
    assert failover.preferred.index == preferred


def test_it_begins_where_an_earlier_run_ended_unless_that_was_too_long_ago() -> None:
    events: list[Event] = []
    outcomes: Outcomes = {1: "result", 2: "result", 3: "refused"}
    for age, asked in ((9.0, [2, 2]), (11.0, [1, 1])):
        events.clear()
        failover, transport = _failover(
            outcomes, failback_after=10, begin_at=Preference(2, age), observer=events.append
        )
        assert failover.preferred.index == asked[0]
        assert [_end(failover), _end(failover)] == ["ok", "ok"]
        assert transport.asked == asked
        # The return to endpoint 1 is reported once, when it has answered.
        changes = [event for event in events if isinstance(event, Preferred)]
        assert [c.endpoint.index for c in changes] == ([1] if asked[0] == 1 else [])


def test_an_observer_that_fails_stops_nothing() -> None:
    def fail(_event: Event) -> None:
        raise BrokenPipeError

    failover, _ = _failover({1: "refused", 2: "result"}, observer=fail)
    assert _end(failover) == "ok"


def test_an_interrupted_attempt_is_reported_before_the_interrupt_is_raised() -> None:
    events: list[Any] = []
    failover, _ = _failover({1: "refused", 2: "interrupt"}, observer=events.append)
    with pytest.raises(KeyboardInterrupt):
        failover.call(Call("eth_sendRawTransaction", []))
    *attempts, ended = events
    assert (ended.succeeded, ended.attempts) == (False, tuple(attempts))
    assert [(a.outcome, a.delivered) for a in attempts] == [
        ("failover", "no"),
        ("interrupted", "unknown"),
    ]


def test_threads_share_the_preferred_endpoint() -> None:
    failover, transport = _failover({1: "refused", 2: "refused", 3: "result"})
    ends: list[str] = []
    threads = [threading.Thread(target=lambda: ends.append(_end(failover))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ends == ["ok"] * 8
    assert failover.preferred.index == 3
    assert _end(failover) == "ok"
    assert transport.asked == [3]
    ids = [body.split(b'"id":')[1] for body in transport.bodies]
    assert len(set(ids)) == 9  # one per call, the same for all its endpoints
    assert all(len(list(group)) <= 3 for _, group in itertools.groupby(sorted(ids)))


@pytest.mark.parametrize("method", ["eth_chainId", "eth_sendRawTransaction"])
def test_secrets_are_taken_out_of_an_error_and_its_data(method: str) -> None:
    seen: list[Event] = []
    failover, _ = _failover({1: "quoting"}, secrets=frozenset({"s3cr3t-k3y"}), observer=seen.append)
    with pytest.raises(Rejected) as caught:
        failover.call(Call(method, []))
    assert (caught.value.message, caught.value.data) == (
        "no project ***",
        {"see": ["https://node/***/x"]},
    )
    assert "s3cr3t" not in repr([caught.value, *caught.value.attempts, *seen])


def test_an_attempt_belongs_to_round_1_unless_another_is_given() -> None:
    failover, _ = _failover({1: "result"})
    requester, (endpoint,) = failover.requester, failover.endpoints
    exchanged = requester.ask(endpoint, [requester.prepare(Call("eth_chainId", []))], None)
    (judgement,) = exchanged.judgements
    assert exchanged.attempt(judgement).round == 1
    assert exchanged.attempt(judgement, round=3).round == 3


@pytest.mark.parametrize(("late", "asked"), [(None, 3), ("deadline passed", 1)])
def test_a_refused_batch_is_not_split_once_the_time_is_up(
    late: str | None, asked: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    failover, transport = _failover({1: NO_BATCHES + "result"})
    monkeypatch.setattr("seqsend.failover.visits.time_is_up", lambda *_deadlines: late)
    submissions = [failover.submission(Call("eth_chainId", [])) for _ in range(2)]
    failover.run(submissions, None)
    assert len(transport.asked) == asked
    assert [len(submission.attempts) for submission in submissions] == [1 if late else 2] * 2
    assert all(submission.over for submission in submissions)


@pytest.mark.parametrize(("outcome", "asked"), [("refused", 3), ("silent", 2)])
def test_the_last_endpoint_is_sent_every_part_but_costs_one_timeout(
    outcome: str, asked: int
) -> None:
    failover, transport = _failover({1: NO_BATCHES + outcome})
    submissions = [failover.submission(Call("eth_chainId", [])) for _ in range(2)]
    failover.run(submissions, None)
    assert len(transport.asked) == asked
    assert [len(submission.attempts) for submission in submissions] == [2, asked - 1]
    note = str(submissions[1].note)
    assert ("endpoint 1 had just failed" in note) == (outcome == "silent")
