"""Threads, and the mailbox that carries their results."""

import threading

import pytest

from seqsend import threads
from seqsend.threads import Delivery, Mailbox

LONG = 10.0  # seconds; longer than any wait here


def test_a_mailbox_keeps_the_order() -> None:
    with Mailbox[int]() as mailbox:

        def put_all() -> None:
            for number in range(20_000):
                mailbox.put(number)

        thread = threading.Thread(target=put_all)
        thread.start()
        assert [mailbox.take(LONG) for _ in range(20_000)] == list(range(20_000))
        thread.join()
        with pytest.raises(TimeoutError):
            mailbox.take(0.01)


def test_a_mailbox_that_nobody_reads_accepts_everything_even_when_closed() -> None:
    with Mailbox[int]() as mailbox:
        for number in range(5_000):  # more wake-ups than a socket holds
            mailbox.put(number)
    mailbox.put(1)


def fail() -> int:
    raise ValueError("job 1")


@pytest.mark.parametrize("can_start", [True, False])
def test_the_result_or_error_of_each_job_is_delivered(
    can_start: bool,  # noqa: FBT001
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if not can_start:
        monkeypatch.setattr(threading.Thread, "start", refuse)
    with Mailbox[Delivery[int]]() as done:
        threads.begin_all([lambda: 0, fail, lambda: 2], done, "test")
        found = dict(done.take(LONG) for _ in range(3))
    assert (found[0], found[2]) == (0, 2)
    assert isinstance(found[1], ValueError)


def refuse(_thread: threading.Thread) -> None:
    raise RuntimeError("can't start new thread")


def test_jobs_run_concurrently() -> None:
    both = threading.Barrier(2, timeout=LONG)
    with Mailbox[Delivery[int]]() as done:
        threads.begin_all([both.wait, both.wait], done, "test")
        assert {done.take(LONG)[1] for _ in range(2)} == {0, 1}
