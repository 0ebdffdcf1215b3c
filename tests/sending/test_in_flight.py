"""`--in-flight`: up to N requests at once, and each line still ends with its true status."""

import gc
import itertools
import os
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqsend import SequencerClient, waiting
from seqsend.cli.line_reader import LineReader
from seqsend.endpoints import parse_endpoints
from seqsend.errors import Interrupted, Rejected, UsageError
from seqsend.models import NotSent, Sent
from seqsend.sending.decoding import signer_of
from seqsend.sending.in_flight import InFlight
from seqsend.sending.outgoing import End
from seqsend.sending.schedule import Group
from seqsend.sending.stream import Ended, GroupEnd, Line
from seqsend.sending.transaction import RawTransaction, parse_raw_transaction
from seqsend.waiting import SignalReceived, Signals
from tests.support.moments import until
from tests.support.wallet import Wallet

(ENDPOINT,) = parse_endpoints("http://a")
WALLETS = [Wallet.of_key(f"0x{n:064x}") for n in range(1, 5)]
# The transactions of four senders, in turn.
RAW = [WALLETS[n % 4].sign(2, nonce=n // 4).raw for n in range(24)]
HASHES = [parse_raw_transaction(raw).hash for raw in RAW]
BAD = "0x1234"
LONG = 20.0  # seconds that nothing here takes


def lines_of(texts: Sequence[str]) -> list[Line]:
    return [Line(number, text) for number, text in enumerate(texts, start=1)]


class Network:
    """Ends each transaction how and when the test decides; counts open requests."""

    def __init__(self, *, bad: Sequence[int] = (), held: Sequence[int] = ()) -> None:
        """Reject those at positions ``bad``; keep those at ``held`` until `let_go`."""
        self._bad = {HASHES[n] for n in bad}
        self._held = {HASHES[n]: threading.Event() for n in held}
        self._lock = threading.Lock()
        self._senders: Counter[bytes | None] = Counter()
        self.begun: list[str] = []
        self.under_way = self.most = 0
        self.overlapped = False
        """Whether two requests held transactions of one sender at the same time."""

    def let_go(self, position: int) -> None:
        self._held[HASHES[position]].set()

    def __call__(self, group: Sequence[RawTransaction]) -> GroupEnd:
        senders = {signer_of(transaction) for transaction in group}
        with self._lock:
            self.begun += [transaction.hash for transaction in group]
            self.overlapped |= any(self._senders[sender] for sender in senders)
            self._senders.update(senders)
            self.under_way += 1
            self.most = max(self.most, self.under_way)
        interrupted = False
        for transaction in group:
            if transaction.hash in self._held:
                interrupted = interrupted or not self._wait(self._held[transaction.hash])
        with self._lock:
            self._senders.subtract(senders)
            self.under_way -= 1
        return GroupEnd([self._end(t, interrupted=interrupted) for t in group], interrupted)

    def _wait(self, let_go: threading.Event) -> bool:
        try:
            while not let_go.is_set():
                waiting.sleep(0.01)
        except SignalReceived:
            return False
        return True

    def _end(self, transaction: RawTransaction, *, interrupted: bool) -> End:
        if interrupted:
            return Interrupted()
        if transaction.hash in self._bad:
            return Rejected("m", (), 0.0)
        return Sent(transaction.hash, "accepted", ENDPOINT, (), 0.0)


@settings(deadline=None, max_examples=60)
@given(
    kinds=st.lists(st.sampled_from(["good", "good", "good", "bad", "bad line"]), max_size=24),
    size=st.integers(1, 4),
    most=st.integers(2, 5),
    keep_going=st.booleans(),
)
def test_every_line_has_one_end_in_input_order(
    kinds: list[str],
    size: int,
    most: int,
    keep_going: bool,  # noqa: FBT001
) -> None:
    network = Network(bad=[n for n, kind in enumerate(kinds) if kind == "bad"])
    stream = InFlight(network, most, size=size, keep_going=keep_going)
    texts = [BAD if kind == "bad line" else RAW[n] for n, kind in enumerate(kinds)]
    ended = list(stream.run(iter(lines_of(texts))))
    assert [e.line for e in ended] == list(range(1, len(kinds) + 1))
    words = {"good": "accepted", "bad": "rejected", "bad line": "usage"}
    statuses = [e.status for e in ended]
    full = [words[kind] for kind in kinds]
    assert all(said in (right, "not_sent") for said, right in zip(statuses, full, strict=True))
    # What is reported as sent was sent once, and nothing else was.
    sent = [e.hash for e in ended if e.status not in ("usage", "not_sent")]
    assert sorted(network.begun) == sorted(filter(None, sent))
    assert network.most <= most
    assert not network.overlapped
    assert [e.hash for e in ended] == [
        None if kind == "bad line" else HASHES[n] for n, kind in enumerate(kinds)
    ]
    stopped = [e.line for e in ended if e.status in ("rejected", "usage")]
    if keep_going or not stopped:
        assert statuses == full
    else:
        unsent = [e.end for e in ended if isinstance(e.end, NotSent)]
        assert {end.because for end in unsent} <= {stopped[0]}
    if "bad" not in kinds and "bad line" in kinds and not keep_going:
        first = kinds.index("bad line")  # as if one by one: all before it were sent
        assert statuses[: first + 1] == full[: first + 1]
        assert set(statuses[first + 1 :]) <= {"not_sent"}
    for wallet in range(4):
        own = [h for n, h in enumerate(HASHES) if n % 4 == wallet and h in network.begun]
        assert [h for h in network.begun if h in own] == own


@pytest.mark.parametrize(("most", "reached"), [(2, 2), (3, 3), (4, 4), (8, 4)])
def test_up_to_n_requests_are_under_way_but_only_one_per_sender(most: int, reached: int) -> None:
    network = Network(held=range(len(RAW)))
    stream = InFlight(network, most)
    found: list[Ended] = []
    thread = threading.Thread(target=lambda: found.extend(stream.run(lines_of(RAW))))
    thread.start()
    until(lambda: network.under_way == reached)
    for position in range(len(RAW)):
        network.let_go(position)
    thread.join(LONG)
    assert [ended.hash for ended in found] == HASHES
    assert network.most == reached


def test_after_a_bad_end_nothing_is_begun_and_open_requests_are_awaited() -> None:
    network = Network(bad=[1], held=[0, 1, 2])
    stream = InFlight(network, 3)
    found: list[Ended] = []
    thread = threading.Thread(target=lambda: found.extend(stream.run(lines_of(RAW))))
    thread.start()
    until(lambda: network.under_way == 3)
    network.let_go(1)
    until(lambda: stream.stopped_at is not None)
    network.let_go(2)
    network.let_go(0)
    thread.join(LONG)
    assert set(network.begun) == set(HASHES[:3])
    assert [e.status for e in found] == ["accepted", "rejected", "accepted"] + ["not_sent"] * 21
    assert {e.end.because for e in found if isinstance(e.end, NotSent)} == {2}
    assert stream.last_sent == 3


def test_of_two_bad_ends_the_first_in_the_input_is_named() -> None:
    network = Network(bad=[0, 2], held=[0, 2])
    stream = InFlight(network, 3)
    found: list[Ended] = []
    thread = threading.Thread(target=lambda: found.extend(stream.run(lines_of(RAW))))
    thread.start()
    until(lambda: network.under_way == 2)
    network.let_go(2)
    until(lambda: stream.stopped_at == 3)
    network.let_go(0)
    thread.join(LONG)
    assert {e.end.because for e in found if isinstance(e.end, NotSent)} == {1}


@pytest.mark.parametrize(("most", "size"), [(2, 1), (3, 2)])
def test_reading_stops_at_the_window_while_the_first_is_slow(most: int, size: int) -> None:
    network = Network(held=[0])
    read: list[int] = []

    def lines() -> Iterator[Line]:
        for line in lines_of(RAW):
            read.append(line.number)
            yield line

    # Only the first sender waits; the others can go on.
    stream = InFlight(network, most, size=size)
    found: list[Ended] = []
    thread = threading.Thread(target=lambda: found.extend(stream.run(lines())))
    thread.start()
    window = min(4 * most * size, len(RAW))
    until(lambda: len(read) == window and network.under_way == 1)
    assert not found
    network.let_go(0)
    thread.join(LONG)
    assert len(found) == len(RAW)


def test_large_transactions_make_the_window_shorter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seqsend.sending.in_flight._LARGEST_WINDOW", 3 * len(RAW[0]))
    network = Network(held=[0])
    read: list[int] = []

    def lines() -> Iterator[Line]:
        for line in lines_of(RAW):
            read.append(line.number)
            yield line

    found: list[Ended] = []
    stream = InFlight(network, 4)
    thread = threading.Thread(target=lambda: found.extend(stream.run(lines())))
    thread.start()
    until(lambda: len(network.begun) == 3)
    assert read == [1, 2, 3]
    network.let_go(0)
    thread.join(LONG)
    assert len(found) == len(RAW)


def test_results_are_yielded_while_the_input_is_idle() -> None:
    network = Network(held=[1])
    reader, writer = os.pipe()
    try:
        results = InFlight(network, 4).run(LineReader(reader, "it"))
        os.write(writer, f"{RAW[0]}\n{RAW[1]}\n{RAW[2][:40]}".encode())
        assert next(results).hash == HASHES[0]
        network.let_go(1)
        assert next(results).hash == HASHES[1]  # and half of the third line has come
        os.write(writer, f"{RAW[2][40:]}\n".encode())
        assert next(results).hash == HASHES[2]
        os.close(writer)
        assert list(results) == []
    finally:
        os.close(reader)


def test_lines_are_sent_as_they_come() -> None:
    reader, writer = os.pipe()
    found: list[Ended] = []
    results = InFlight(Network(), 4).run(LineReader(reader, "it"))
    thread = threading.Thread(target=lambda: found.extend(results))
    thread.start()
    for position, raw in enumerate(RAW):
        os.write(writer, f"{raw}\n".encode())
        until(lambda: len(found) == position + 1)  # noqa: B023 - called at once
    os.close(writer)
    thread.join(LONG)
    os.close(reader)
    assert [ended.hash for ended in found] == HASHES


def test_an_unreadable_input_fails_at_once() -> None:
    reader, writer = os.pipe()
    try:
        with pytest.raises(Exception, match="Bad file descriptor"):
            list(InFlight(Network(), 2).run(LineReader(writer, "it")))
    finally:
        os.close(reader)
        os.close(writer)


def test_a_signal_interrupts_open_requests_and_keeps_results() -> None:
    network = Network(held=[0, 2, 3])
    with Signals() as signals:
        stream, lines = InFlight(network, 4), iter(lines_of(RAW))
        timer = threading.Thread(target=_signal_when, args=(lambda: network.under_way == 3,))
        timer.start()
        with pytest.raises(SignalReceived):
            list(stream.run(lines))
        timer.join()
        assert network.under_way == 0, "a request has not noticed the signal"
        signals.acknowledge()
        found = list(stream.rest(lines))
    assert [e.line for e in found] == list(range(1, len(RAW) + 1))
    # Only the second sender was not held: it went on to its next transactions.
    statuses = [e.status for e in found]
    assert [statuses[n] for n in (0, 1, 2, 3)] == [
        "interrupted",
        "accepted",
        "interrupted",
        "interrupted",
    ]
    said = {e.hash for e in found if e.status in ("accepted", "interrupted")}
    assert said == set(network.begun)


def test_a_run_that_sent_nothing_stops_at_the_last_line_read() -> None:
    def read() -> Iterator[Line]:
        yield from lines_of(RAW)[:2]
        raise KeyboardInterrupt

    network = Network()
    stream = InFlight(network, 2, size=4)
    with pytest.raises(KeyboardInterrupt):
        list(stream.run(read()))
    found = list(stream.rest(lines_of(RAW)[2:]))
    assert [e.end for e in found] == [NotSent(because=2)] * len(RAW)
    assert network.begun == []


def test_a_second_signal_ends_the_wait_for_stuck_requests() -> None:
    stuck = threading.Event()

    def send(group: Sequence[RawTransaction], _signals: Signals) -> GroupEnd:
        stuck.wait(LONG)
        return GroupEnd([NotSent()])

    found = _ends_after_two_signals(send)
    stuck.set()
    assert [e.status for e in found] == ["interrupted"] * 2 + ["not_sent"] * 22
    # By then many more lines had been read.
    assert {e.end.because for e in found if isinstance(e.end, NotSent)} == {2}


def test_requests_that_the_second_signal_ends_are_reported_as_they_ended() -> None:
    def send(group: Sequence[RawTransaction], signals: Signals) -> GroupEnd:
        until(lambda: len(signals.received) == 2)
        return GroupEnd([Sent(group[0].hash, "accepted", ENDPOINT, (), 0.0)])

    found = _ends_after_two_signals(send)
    assert [e.status for e in found] == ["accepted"] * 2 + ["not_sent"] * 22


def _ends_after_two_signals(
    send: Callable[[Sequence[RawTransaction], Signals], GroupEnd],
) -> list[Ended]:
    """Return all ends, with one signal after two groups have begun and another after that."""
    begun: list[str] = []
    with Signals() as signals:

        def send_and_note(group: Sequence[RawTransaction]) -> GroupEnd:
            begun.append(group[0].hash)
            return send(group, signals)

        stream, lines = InFlight(send_and_note, 2), iter(lines_of(RAW))
        timer = threading.Thread(
            target=_signal_when, args=(lambda: len(begun) == 2, lambda: bool(signals.received))
        )
        timer.start()
        with pytest.raises(SignalReceived):
            list(stream.run(lines))
        timer.join()
        signals.acknowledge()
        return list(stream.rest(lines))


def _signal_when(*events: Callable[[], bool]) -> None:
    main = threading.main_thread().ident
    assert main is not None
    for has_come in events:
        until(has_come)
        signal.pthread_kill(main, signal.SIGINT)


def test_a_defect_in_a_thread_is_raised_in_the_caller() -> None:
    def send(group: Sequence[RawTransaction]) -> GroupEnd:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(InFlight(send, 2).run(lines_of(RAW)))


@pytest.mark.parametrize("first_is_interrupted", [True, False])
def test_a_signal_is_noticed_even_if_several_groups_end_together(
    first_is_interrupted: bool,  # noqa: FBT001
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stream = InFlight(Network(), 2)
    ended: list[tuple[Group[object], GroupEnd]] = [
        (Group(), GroupEnd([], interrupted=first_is_interrupted)),
        (Group(), GroupEnd([], interrupted=not first_is_interrupted)),
    ]
    monkeypatch.setattr(stream._workers, "take_ended", lambda: ended)
    with pytest.raises(SignalReceived):
        stream._collect()


def sending() -> set[threading.Thread]:
    """Return the threads that send."""
    gc.collect()
    return {thread for thread in threading.enumerate() if thread.name == "seqsend-send"}


def test_its_threads_end_once_the_rest_is_reported() -> None:
    before = sending()  # those of another test may still be ending
    stream, lines = InFlight(Network(), 4), iter(lines_of(RAW))
    assert next(stream.run(lines)).hash == HASHES[0]
    assert sending() - before
    list(stream.rest(lines))
    until(lambda: sending() <= before)
    assert stream.stopped_at is not None  # the stream still exists


def test_its_threads_end_with_the_run() -> None:
    before = sending()
    stream = InFlight(Network(), 4)
    assert len(list(stream.run(lines_of(RAW)))) == len(RAW)
    until(lambda: sending() <= before)
    assert stream.last_sent == len(RAW)  # the stream still exists
    dropped = InFlight(Network(), 4).run(lines_of(RAW))
    assert next(dropped).hash == HASHES[0]
    del dropped
    until(lambda: sending() <= before)


def test_unknown_senders_count_as_one() -> None:
    unknown = [f"0x76{0xC0 + 2:02x}80{n:02x}" for n in range(1, 6)]
    network = Network()
    assert len(list(InFlight(network, 4).run(lines_of(unknown)))) == len(unknown)
    assert network.most == 1
    assert network.begun == [parse_raw_transaction(raw).hash for raw in unknown]
    assert {signer_of(parse_raw_transaction(raw)) for raw in unknown} == {None}


@pytest.mark.parametrize("wrong", [0, -1, 257])
def test_the_library_refuses_other_numbers_in_flight(wrong: int) -> None:
    with SequencerClient("http://a") as client, pytest.raises(UsageError, match="1 to 256"):
        client.stream(in_flight=wrong)


@pytest.mark.parametrize("left", [0, 1, 2])
def test_everything_is_sent_even_if_threads_cannot_be_started(
    left: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin, begun = threading.Thread.start, itertools.count()

    def start(thread: threading.Thread) -> None:
        if next(begun) >= left:
            raise RuntimeError("can't start new thread")
        begin(thread)

    network = Network()
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", start)
        ended = list(InFlight(network, 4).run(iter(lines_of(RAW))))
    assert [e.status for e in ended] == ["accepted"] * len(RAW)
    assert network.most <= max(left, 1)
    assert not network.overlapped


def test_without_more_threads_no_more_is_begun_than_they_can_send(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begin, begun = threading.Thread.start, itertools.count()

    def start(thread: threading.Thread) -> None:
        if next(begun):
            raise RuntimeError("can't start new thread")
        begin(thread)

    network = Network(bad=[0], held=[0])

    def lines() -> Iterator[Line]:
        yield from lines_of(RAW[:8])
        network.let_go(0)  # by now all that can be begun is

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", start)
        ended = list(InFlight(network, 4).run(lines()))
    # The group for which no thread could be started waits for the only one there is.
    assert [e.status for e in ended[:1]] == ["rejected"]
    assert all(e.status == "not_sent" for e in ended[2:])
    assert network.begun == HASHES[: len(network.begun)]
    assert len(network.begun) <= 2
