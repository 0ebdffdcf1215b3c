"""Waits: a descriptor, a deadline or a signal ends them; a signal interrupts nothing else."""

import resource
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from seqsend import waiting
from seqsend.threads import Mailbox
from seqsend.waiting import READ, WRITE, SignalReceived, Signals

USED = signal.SIGUSR1
LONG = 30.0  # seconds; longer than any wait here


@pytest.fixture
def signals() -> Iterator[Signals]:
    with Signals([USED]) as noted:
        yield noted


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    one, other = socket.socketpair()
    with one, other:
        yield one, other


def send_signal_to_main_thread() -> threading.Thread:
    thread = threading.Thread(target=signal.pthread_kill, args=(threading.get_ident(), USED))
    thread.start()
    return thread


def test_a_wait_ends_when_its_descriptor_is_ready(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    one, other = pair
    assert waiting.wait(one.fileno(), WRITE, LONG)
    assert not waiting.wait(one.fileno(), READ, 0)
    other.send(b"x")
    assert waiting.wait(one.fileno(), READ, LONG)
    one.recv(1)
    other.close()
    assert waiting.wait(one.fileno(), READ, None), "end of file is readable"


def test_a_wait_lasts_as_long_as_requested(pair: tuple[socket.socket, socket.socket]) -> None:
    for wait in (
        lambda: waiting.wait(pair[0].fileno(), READ, 0.0205),
        lambda: waiting.wait(None, READ, 0.0205),
        lambda: waiting.sleep(0.0205),
    ):
        started = time.monotonic()
        assert not wait()
        assert 0.0205 <= time.monotonic() - started <= 0.0205 + 0.25


class Work:
    """A number of pieces of work; the last can make a socket readable."""

    def __init__(self, pieces: int, wakes: socket.socket | None = None) -> None:
        self.left = pieces
        self.wakes = wakes
        self.calls = 0

    def __call__(self) -> bool:
        self.calls += 1
        if not self.left:
            return False
        self.left -= 1
        if not self.left and self.wakes is not None:
            self.wakes.send(b"x")
        return True


def test_work_is_done_while_a_wait_lasts(pair: tuple[socket.socket, socket.socket]) -> None:
    one, other = pair
    work = Work(3, wakes=other)
    with waiting.meanwhile(work):
        assert waiting.wait(one.fileno(), READ, LONG)
    assert not work.left


def test_a_wait_does_not_ask_for_more_work_once_all_is_done(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    work = Work(3)
    with waiting.meanwhile(work):
        assert not waiting.wait(pair[0].fileno(), READ, 0.05)
    assert work.calls == 4


def test_no_work_is_done_if_the_descriptor_is_ready(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    one, other = pair
    work = Work(3)
    with waiting.meanwhile(work):
        assert waiting.wait(one.fileno(), WRITE, LONG)
        assert not waiting.wait(one.fileno(), READ, 0), "no work without waiting"
        other.send(b"x")
        assert waiting.wait(one.fileno(), READ, LONG)
    assert work.left == 3
    one.recv(1)
    assert not waiting.wait(one.fileno(), READ, 0.01)
    assert work.left == 3, "no work outside of the context"


def test_endless_work_stops_when_the_wait_ends(pair: tuple[socket.socket, socket.socket]) -> None:
    started = time.monotonic()
    with waiting.meanwhile(lambda: True):
        assert not waiting.wait(pair[0].fileno(), READ, 0.05)
    assert time.monotonic() - started <= 0.05 + 0.25


def test_a_signal_ends_work_too(signals: Signals) -> None:
    def work() -> bool:
        signal.raise_signal(USED)
        return True

    with waiting.meanwhile(work), pytest.raises(SignalReceived):
        waiting.sleep(LONG)
    assert signals.received == [USED]


def test_wait_any_returns_the_descriptors_that_are_ready() -> None:
    with ExitStack() as stack:
        pairs = [socket.socketpair() for _ in range(5)]
        for each in pairs:
            stack.enter_context(each[0])
            stack.enter_context(each[1])
        readers = [reader.fileno() for reader, _ in pairs]
        assert waiting.wait_any(readers, READ, 0) == []
        pairs[1][1].send(b"x")
        pairs[4][1].send(b"x")
        assert waiting.wait_any(readers, READ, LONG) == [readers[1], readers[4]]


def test_descriptors_above_1024_can_be_waited_for() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 1100:
        pytest.skip("this machine does not allow a process that many descriptors")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 1100), hard))
    with ExitStack() as stack:
        while True:
            one, other = socket.socketpair()
            stack.enter_context(one)
            stack.enter_context(other)
            if one.fileno() > 1024:
                break
        other.send(b"x")
        assert waiting.wait(one.fileno(), READ, LONG)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_signal_is_recorded_and_raised_by_the_next_wait(signals: Signals) -> None:
    signal.raise_signal(USED)
    assert signals.pending
    assert signals.received == [USED]
    with pytest.raises(SignalReceived):
        waiting.check()
    with pytest.raises(SignalReceived):
        waiting.wait(None, READ, 0)
    with Mailbox[int]() as mailbox, pytest.raises(SignalReceived):
        mailbox.take(LONG)


def test_a_signal_ends_a_running_wait(
    signals: Signals, pair: tuple[socket.socket, socket.socket]
) -> None:
    with Mailbox[int]() as mailbox:
        for wait in (
            lambda: waiting.wait(pair[0].fileno(), READ, LONG),
            lambda: waiting.wait_any([pair[0].fileno()], READ, None),
            lambda: waiting.sleep(LONG),
            lambda: mailbox.take(None),
        ):
            thread = send_signal_to_main_thread()
            with pytest.raises(SignalReceived):
                wait()
            thread.join()
            signals.acknowledge()


def test_a_pending_signal_takes_precedence_over_a_ready_descriptor(
    signals: Signals, pair: tuple[socket.socket, socket.socket]
) -> None:
    signal.raise_signal(USED)
    with pytest.raises(SignalReceived):
        waiting.wait(pair[0].fileno(), WRITE, LONG)


def test_waits_work_again_after_a_signal_is_acknowledged(signals: Signals) -> None:
    for _ in range(3):
        signal.raise_signal(USED)
        with pytest.raises(SignalReceived):
            waiting.sleep(LONG)
        signals.acknowledge()
        started = time.process_time()
        waiting.sleep(0.05)
        assert time.process_time() - started < 0.04, "it sleeps instead of spinning"
    assert len(signals.received) == 3


def test_a_signal_ends_the_waits_of_other_threads(signals: Signals) -> None:
    ended: Mailbox[str] = Mailbox()

    def wait() -> None:
        try:
            waiting.sleep(LONG)
        except SignalReceived:
            ended.put("by the signal")

    threads = [threading.Thread(target=wait) for _ in range(3)]
    for thread in threads:
        thread.start()
    signal.raise_signal(USED)
    for thread in threads:
        thread.join(5)
    signals.acknowledge()
    with ended:
        assert [ended.take(0) for _ in threads] == ["by the signal"] * 3


def test_a_wait_that_outlives_the_handlers_does_not_spin() -> None:
    used: list[float] = []

    def wait() -> None:
        entered.set()
        waiting.sleep(0.3)
        used.append(time.thread_time())

    entered = threading.Event()
    with Signals([USED]):
        thread = threading.Thread(target=wait)
        thread.start()
        entered.wait(5)
        waiting.sleep(0.05)  # the other thread starts to wait before the handlers are restored
    thread.join(5)
    assert used[0] < 0.1


def test_handlers_are_restored() -> None:
    before = signal.getsignal(USED)
    with Signals([USED]):
        assert signal.getsignal(USED) is not before
    assert signal.getsignal(USED) is before
    assert signal.set_wakeup_fd(-1) == -1


def test_an_ignored_signal_stays_ignored() -> None:
    before = signal.signal(USED, signal.SIG_IGN)
    try:
        with Signals([USED]) as noted:
            signal.raise_signal(USED)
            waiting.sleep(0)
            assert not noted.received
    finally:
        signal.signal(USED, before)


def test_a_signal_during_an_acknowledgement_is_not_lost(
    signals: Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It still ends the waits of other threads."""
    signal.raise_signal(USED)
    empty = waiting.empty

    def empty_and_be_hit(reader: socket.socket) -> None:
        monkeypatch.undo()
        signal.raise_signal(USED)
        empty(reader)

    monkeypatch.setattr(waiting, "empty", empty_and_be_hit)
    signals.acknowledge()
    assert signals.pending
    assert signals._seen.recv(9), "other threads are woken"


# ---- A thread cancels another ----


def test_another_thread_can_end_a_wait(pair: tuple[socket.socket, socket.socket]) -> None:
    """The running wait and all later ones, of any kind, but not those of other threads."""
    cancellation = waiting.Cancellation()
    ended: list[str] = []
    begun = threading.Event()

    def run() -> None:
        with cancellation, Mailbox[int]() as mailbox:
            begun.set()
            for wait in (
                lambda: waiting.wait(pair[0].fileno(), READ, LONG),
                lambda: waiting.sleep(LONG),
                lambda: mailbox.take(LONG),
                waiting.check,
            ):
                with pytest.raises(waiting.Cancelled):
                    wait()
                ended.append("cancelled")
        waiting.check()
        ended.append("left")

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert begun.wait(LONG)
    cancellation.cancel()
    thread.join(LONG)
    assert ended == ["cancelled"] * 4 + ["left"]
    waiting.check()
    assert not waiting.wait(pair[0].fileno(), READ, 0)
    cancellation.cancel()  # no effect: the thread has ended


def test_a_mailbox_can_be_read_despite_a_pending_signal(signals: Signals) -> None:
    with Mailbox[int]() as mailbox:
        send_signal_to_main_thread().join()
        with pytest.raises(SignalReceived):
            mailbox.take(LONG)
        thread = threading.Timer(0.02, mailbox.put, [1])
        thread.start()
        assert mailbox.take(LONG, heeds_signals=False) == 1
        with pytest.raises(TimeoutError):
            mailbox.take(0.02, heeds_signals=False)
        with pytest.raises(SignalReceived):
            mailbox.take(LONG)
    assert signals.pending
