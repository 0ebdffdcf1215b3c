"""`--retry-for`: rounds over the endpoints, their pauses, and what ends them."""

import itertools
import signal
import socket
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, Self

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqsend import Attempt, Interrupted, Rejected, SequencerClient, Unreachable
from seqsend.endpoints import parse_endpoints
from seqsend.failover import rounds as module
from seqsend.failover.rounds import Rounds
from seqsend.transports.base import Deadline
from seqsend.units import parse_retry_after
from tests.support.calls import calls_in, respond
from tests.support.cli import seqsend, start
from tests.support.moments import is_asleep, until
from tests.support.servers import (
    Closing,
    Replying,
    Request,
    blackhole,
    dead,
    http,
    jsonrpc_error,
    jsonrpc_result,
)
from tests.support.wallet import Wallet

SIGNED = Wallet(0).sign(2, nonce=0)
MARGIN = 0.25  # seconds by which a promised time may be missed


def at(*urls: str) -> str:
    return f"--rollup.sequencer-http={','.join(urls)}"


def accepting(request: Request) -> bytes:
    return jsonrpc_result(request, SIGNED.hash)


class Late(Replying):
    """Accepts transactions on a port that refuses until ``seconds`` have passed."""

    def __init__(self, seconds: float) -> None:
        super().__init__(accepting)
        self._listening.close()
        self._holder = socket.socket()
        self._holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._holder.bind(("127.0.0.1", self.port))
        self._timer = threading.Timer(seconds, self._begin)
        self._timer.start()

    def _begin(self) -> None:
        self._listening = socket.socket()
        self._listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listening.bind(("127.0.0.1", self.port))
        self._listening.listen(64)
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._timer.join()
        self._holder.close()
        super().__exit__(*exception)


def test_a_node_that_starts_after_the_command_gets_the_transaction() -> None:
    with Late(3.0) as node, dead() as other:
        run = seqsend("send", SIGNED.raw, at(other.url, node.url), "--retry-for=15s")
        found = seqsend("send", SIGNED.raw, at(node.url), "--retry-for=15s", "--json")
    assert (run.code, run.out) == (0, f"{SIGNED.hash}\n")
    assert run.elapsed < 3.0 + 5.0 * 1.2 + 2
    first, second, answered = run.err.splitlines()  # one per change, not one per round
    assert "endpoint 1" in first
    assert "connection refused" in first
    assert "endpoint 2" in second
    assert "connection refused" in second
    assert "answered by endpoint 2" in answered
    assert "in round " in answered
    assert found.document["rounds"] == 1


@pytest.mark.parametrize("endpoint", [dead, blackhole])
@pytest.mark.parametrize("words", [["send", SIGNED.raw], ["rpc", "eth_chainId"]])
def test_if_nothing_listens_rounds_last_for_the_time_given(
    endpoint: Callable[[], Any], words: list[str]
) -> None:
    # The first round is always completed: with a dial timeout of 1 s it ends in time.
    with endpoint() as one, dead() as two:
        run = seqsend(
            *words, at(one.url, two.url), "--retry-for=3s", "--json", "--sequencer-dial-timeout=1s"
        )
    found = run.document
    assert (run.code, found["status"]) == (4, "unreachable")
    assert abs(found["elapsed_ms"] / 1000 - 3.0) < MARGIN
    assert found["rounds"] > 2
    assert all(attempt["delivered"] == "no" for attempt in found["attempts"])


def test_each_endpoint_is_tried_at_most_once_in_a_round() -> None:
    seen: list[Attempt] = []
    with dead() as one, dead() as two, dead() as three:
        urls = [one.url, two.url, three.url]
        client = SequencerClient(urls, retry_for=1.0, observer=_keep(seen))
        with client, pytest.raises(Unreachable) as caught:
            client.send_raw_transaction(SIGNED.raw)
    assert tuple(seen) == caught.value.attempts
    for _, attempts in itertools.groupby(seen, key=lambda attempt: attempt.round):
        assert [attempt.endpoint.index for attempt in attempts] == [1, 2, 3]
    assert [a.outcome for a in seen[:3]] == ["failover", "failover", "outage"]
    # One line per endpoint: the later attempts say the same.
    assert len(str(caught.value).splitlines()) == 4


def _keep(seen: list[Attempt]) -> Callable[[object], None]:
    return lambda event: seen.append(event) if isinstance(event, Attempt) else None


def test_the_deadline_bounds_the_rounds() -> None:
    with dead() as one:
        run = seqsend("send", SIGNED.raw, at(one.url), "--retry-for=30s", "--deadline=1s", "--json")
    assert run.code == 4
    assert abs(run.document["elapsed_ms"] / 1000 - 1.0) < MARGIN


def test_an_endpoint_with_retry_after_is_asked_at_that_time_and_once() -> None:
    asked: list[float] = []

    def reply(request: Request) -> bytes:
        asked.append(time.monotonic())
        if len(asked) == 1:
            return http(429, b"slow down", {"Retry-After": "1"})
        return accepting(request)

    with Replying(reply) as server:
        run = seqsend("send", SIGNED.raw, at(server.url), "--retry-for=10s")
    assert run.code == 0
    assert len(asked) == 2
    assert 1.0 <= asked[1] - asked[0] < 1.0 + MARGIN
    assert "Retry-After: 1" in run.err


def test_retry_after_of_one_endpoint_does_not_delay_the_others() -> None:
    with ExitStack() as stack:
        limited = stack.enter_context(Replying(http(429, b"", {"Retry-After": "2"})))
        late = stack.enter_context(Late(0.6))
        run = seqsend("send", SIGNED.raw, at(limited.url, late.url), "--retry-for=10s", "--json")
        assert len(limited.requests) == 1
    assert run.code == 0
    assert run.document["endpoint"]["index"] == 2


@pytest.mark.parametrize("retry_after", ["3600", "soon", "-1"])
def test_a_retry_after_that_is_too_long_or_invalid_is_ignored(retry_after: str) -> None:
    answers = iter([http(503, b"", {"Retry-After": retry_after})])

    def reply(request: Request) -> bytes:
        return next(answers, None) or accepting(request)

    with Replying(reply) as server:
        run = seqsend("send", SIGNED.raw, at(server.url), "--retry-for=5s", "--json")
    assert run.code == 0
    assert run.document["elapsed_ms"] < 1000


def test_a_verdict_ends_the_rounds() -> None:
    answers = iter([http(429, b"")])

    def reply(request: Request) -> bytes:
        return next(answers, None) or jsonrpc_error(request, -32000, "insufficient funds for gas")

    with Replying(reply) as server:
        run = seqsend("send", SIGNED.raw, at(server.url), "--retry-for=20s", "--json")
    assert (run.code, run.document["rounds"]) == (3, 2)
    assert run.document["status"] == "rejected"


def test_a_method_that_no_endpoint_has_ends_the_rounds() -> None:
    with Replying(lambda r: jsonrpc_error(r, -32601, "the method does not exist")) as server:
        client = SequencerClient(server.url, retry_for=20.0)
        with client, pytest.raises(Rejected):
            client.request("foo_bar")
        assert len(server.requests) == 1


def test_a_send_that_may_have_been_delivered_is_sent_again() -> None:
    """The same bytes: a transaction is executed once."""
    taken: list[bytes] = []

    class Forgetful(Closing):
        def handle(self, connection: socket.socket) -> None:
            request = self.read_request(connection)
            assert request is not None
            if request.json["method"] != "eth_sendRawTransaction":
                connection.sendall(jsonrpc_result(request, None))
                return
            taken.append(request.body.replace(str(request.json["id"]).encode(), b"ID", 1))
            if len(taken) > 1:
                connection.sendall(accepting(request))

    with Forgetful(after="request", how="fin") as server:
        run = seqsend("send", SIGNED.raw, at(server.url), "--retry-for=10s", "--json")
    assert run.code == 0, run
    assert len(taken) == 2
    assert taken[0] == taken[1]
    outcomes = [attempt["outcome"] for attempt in run.document["attempts"]]
    assert outcomes == ["outage", "not_found", "answered"]


@pytest.mark.parametrize(
    ("server", "code", "tries"),
    [
        (lambda: Closing(after="request", how="fin"), 5, 1),  # it may have been done
        (lambda: Replying(http(429, b"")), 4, 3),
    ],
)
def test_a_method_that_could_act_twice_is_repeated_only_if_not_delivered(
    server: Callable[[], Any], code: int, tries: int
) -> None:
    with server() as running:
        run = seqsend("rpc", "eth_sendTransaction", "{}", at(running.url), "--retry-for=1s")
        assert len(running.requests) >= tries
        assert (len(running.requests) == 1) == (tries == 1)
    assert run.code == code


def test_only_the_open_part_of_a_batch_is_sent_again() -> None:
    signed = [Wallet(0).sign(2, nonce=nonce) for nonce in range(4)]
    bodies: list[list[Any]] = []

    def reply(request: Request) -> bytes:
        calls = calls_in(request)
        bodies.append([call["params"][0] for call in calls])
        hashes = {s.raw: s.hash for s in signed}
        busy = {"error": {"code": -32000, "message": "txpool is full"}}
        members = [
            busy if len(bodies) == 1 and position % 2 else {"result": hashes[call["params"][0]]}
            for position, call in enumerate(calls)
        ]
        return respond(request, members)

    with Replying(reply) as server:
        run = seqsend(
            *("send", "-", "--batch-size=4", at(server.url), "--retry-for=5s", "--json"),
            stdin="".join(f"{s.raw}\n" for s in signed),
        )
    assert [d["status"] for d in run.documents] == ["accepted"] * 4
    assert [d["rounds"] for d in run.documents] == [1, 2, 1, 2]
    assert bodies == [[s.raw for s in signed], [signed[1].raw, signed[3].raw]]


def test_a_signal_ends_a_pause() -> None:
    with dead() as one:
        running = start("send", SIGNED.raw, at(one.url), "--retry-for=30s", "--json")
        assert running.stderr is not None
        assert "connection refused" in running.stderr.readline()
        until(lambda: is_asleep(running))
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=10)
    assert running.returncode == 130
    assert '"status":"interrupted"' in out
    assert "nothing was delivered" in err


def test_ctrl_c_ends_a_pause_in_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("seqsend.waiting.sleep", interrupt)
    with (
        dead() as one,
        SequencerClient(one.url, retry_for=5.0) as client,
        pytest.raises(Interrupted) as caught,
    ):
        client.request("eth_chainId")
    assert len(caught.value.attempts) == 1


# The plan of the rounds alone


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@given(
    retry_for=st.floats(0.2, 600),
    took=st.floats(0, 3),
    deadline=st.one_of(st.none(), st.floats(0.2, 700)),
)
def test_pauses_double_and_the_last_round_begins_just_before_the_end(
    retry_for: float, took: float, deadline: float | None
) -> None:
    clock = Clock()
    by = None if deadline is None else Deadline(clock.now + deadline, "deadline")
    end = clock.now + min(retry_for, deadline or retry_for)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "time", clock)
        rounds = Rounds(retry_for, by)
        base, pauses, starts = 0.25, [], []
        clock.now += took
        while (coming := rounds.plan([], parse_endpoints("http://a,http://b"))) is not None:
            cut = clock.now + coming.pause >= end - 0.1 - 1e-6
            assert coming.pause <= base * 1.2
            assert cut or coming.pause >= base * 0.8
            base = min(5.0, base * 2)
            clock.now += coming.pause
            starts.append(clock.now)
            pauses.append(coming.pause)
            clock.now += 0.001
    assert all(begun < end for begun in starts)
    if took < end - 1000.0 - 0.11:
        assert end - starts[-1] == pytest.approx(0.1, abs=0.01)
    assert Rounds(None, by).plan([], parse_endpoints("http://a")) is None


NOW = 1_700_000_000.0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1", 1.0),
        (" 120 ", 120.0),
        ("0", 0.0),
        ("Tue, 14 Nov 2023 22:13:30 GMT", 10.0),
        ("Tue, 14 Nov 2023 22:13:10 GMT", 0.0),
        ("Tuesday, 14-Nov-23 22:13:30 GMT", 10.0),
        ("-1", None),
        ("1.5", None),
        ("", None),
        ("soon", None),
        ("9" * 5000, None),
        ("Tue, 99 Nov 99999999999 99:99:99 GMT", None),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date(text: str, seconds: float | None) -> None:
    assert parse_retry_after(text, NOW) == seconds
