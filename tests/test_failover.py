"""The failover loop, over a transport that only answers: its order, its end, its memory."""

import itertools
import threading
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqsend.endpoints import parse_endpoints
from seqsend.errors import CallError, DeliveryUnknown, EndpointFailure, Rejected, Unreachable
from seqsend.events import Attempt, Endpoint, Reply
from seqsend.failover import Failover, Limits
from seqsend.jsonrpc import Call
from seqsend.transports.base import Exchange

RESULT = b'{"jsonrpc":"2.0","id":%d,"result":"0x1"}'
VERDICT = b'{"jsonrpc":"2.0","id":%d,"error":{"code":-32000,"message":"nonce too low"}}'

Outcomes = dict[int, str]


class Scripted:
    """A transport whose endpoints do as they are told: the loop is what is tested here."""

    def __init__(self, outcomes: Outcomes) -> None:
        self.outcomes = outcomes
        self.asked: list[int] = []
        self.bodies: list[bytes] = []

    def exchange(self, endpoint: Endpoint, body: bytes, exchange: Exchange) -> Reply:
        self.asked.append(endpoint.index)
        self.bodies.append(body)
        outcome = self.outcomes[endpoint.index]
        if outcome == "refused":
            raise EndpointFailure("connection refused")
        exchange.enter("answer")
        exchange.written = True
        if outcome == "silent":
            raise EndpointFailure("no answer in time")
        if outcome == "interrupt":
            raise KeyboardInterrupt
        request_id = int(body.split(b'"id":')[1].split(b",")[0])
        return Reply(200, (RESULT if outcome == "result" else VERDICT) % request_id)

    def close(self) -> None:
        raise AssertionError


def _failover(
    outcomes: Outcomes,
    *,
    total: float | None = None,
    failback_after: float | None = None,
    observer: Callable[[Attempt], None] | None = None,
) -> tuple[Failover, Scripted]:
    transport = Scripted(outcomes)
    endpoints = parse_endpoints([f"http://seq{i}" for i in sorted(outcomes)])
    limits = Limits(total=total)
    made = Failover(endpoints, transport, limits, failback_after=failback_after, observer=observer)
    return made, transport


def _end(failover: Failover, method: str = "eth_chainId", *, retry_unsafe: bool = False) -> str:
    try:
        failover.call(Call(method, []), retry_unsafe=retry_unsafe)
    except CallError as error:
        return error.status
    return "ok"


def _model(
    sequence: list[Outcomes], method: str, *, retry_unsafe: bool
) -> Iterator[tuple[str, list[int]]]:
    """What the contract says of calls made one after the other: how each ends, whom it asks."""
    preferred = 1
    for outcomes in sequence:
        count = len(outcomes)
        asked, maybe, end = [], False, None
        for step in range(count):
            index = (preferred - 1 + step) % count + 1
            asked.append(index)
            outcome = outcomes[index]
            if outcome == "result":
                end = "ok"
            elif outcome == "verdict":
                untrusted = maybe and method == "eth_sendRawTransaction"
                end = "unknown" if untrusted else "rejected"
            maybe = maybe or outcome == "silent"
            if end is None and maybe and method == "eth_sendTransaction" and not retry_unsafe:
                end = "unknown"
                break
            if end is not None:
                if step:
                    preferred = index
                break
        yield end or ("unknown" if maybe else "unreachable"), asked


_OUTCOMES = st.sampled_from(["refused", "silent", "result", "verdict"])


@given(
    count=st.integers(1, 5),
    data=st.data(),
    method=st.sampled_from(["eth_chainId", "eth_sendRawTransaction", "eth_sendTransaction"]),
    retry_unsafe=st.booleans(),
)
def test_asks_and_ends_as_the_contract_says(
    count: int,
    data: st.DataObject,
    method: str,
    retry_unsafe: bool,  # noqa: FBT001
) -> None:
    one = st.fixed_dictionaries(dict.fromkeys(range(1, count + 1), _OUTCOMES))
    sequence = data.draw(st.lists(one, min_size=1, max_size=6))
    failover, transport = _failover(sequence[0])
    seen = []
    for outcomes in sequence:
        transport.outcomes, transport.asked = outcomes, []
        seen.append((_end(failover, method, retry_unsafe=retry_unsafe), transport.asked))
    assert seen == list(_model(sequence, method, retry_unsafe=retry_unsafe))


def test_every_endpoint_gets_the_same_bytes_and_every_attempt_is_told() -> None:
    told: list[Attempt] = []
    failover, transport = _failover({1: "refused", 2: "silent", 3: "result"}, observer=told.append)
    answer = failover.call(Call("eth_chainId", []))
    assert len(set(transport.bodies)) == 1
    assert answer.attempts == tuple(told)
    assert [(a.outcome, a.delivered) for a in told] == [
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


def test_says_why_it_stopped_before_the_last_endpoint() -> None:
    failover, _ = _failover({1: "silent", 2: "result", 3: "result"})
    with pytest.raises(DeliveryUnknown, match=r"could do it twice; endpoints 2, 3 not tried"):
        failover.call(Call("eth_sendTransaction", []))
    failover, transport = _failover({1: "refused", 2: "result"}, total=1e-9)
    with pytest.raises(Unreachable, match=r"deadline .* passed; endpoint 2 not tried"):
        failover.call(Call("eth_chainId", []))
    assert transport.asked == [1]


def test_fails_back_to_endpoint_1_only_once_the_time_has_passed() -> None:
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
    monkeypatch.setattr("seqsend.failover.time.monotonic", lambda: now[0])
    failover, transport = _failover({1: "refused", 2: "result"}, failback_after=10)
    for second in (0.0, 4.0, 8.0, 12.0):
        now[0] = second
        assert _end(failover) == "ok"
    assert transport.asked == [1, 2, 2, 2, 1, 2]


def test_an_observer_that_fails_stops_nothing() -> None:
    def fail(_attempt: Attempt) -> None:
        raise BrokenPipeError

    failover, _ = _failover({1: "refused", 2: "result"}, observer=fail)
    assert _end(failover) == "ok"


def test_an_interrupted_attempt_is_told_before_the_interrupt_goes_on() -> None:
    told: list[Attempt] = []
    failover, _ = _failover({1: "refused", 2: "interrupt"}, observer=told.append)
    with pytest.raises(KeyboardInterrupt):
        failover.call(Call("eth_sendRawTransaction", []))
    assert [(a.outcome, a.delivered) for a in told] == [
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
    before = len(transport.asked)
    assert _end(failover) == "ok"
    assert transport.asked[before:] == [3]
    ids = [body.split(b'"id":')[1] for body in transport.bodies]
    assert len(set(ids)) == 9  # one a call, the same for all its endpoints
    assert all(len(list(group)) <= 3 for _, group in itertools.groupby(sorted(ids)))
