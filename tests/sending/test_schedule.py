"""Which transactions go next: each once, each sender's in order, one request at a time."""

from hypothesis import given
from hypothesis import strategies as st

from seqsend.sending.schedule import Group, Schedule

Item = tuple[int, int]  # place in the input, sender


class Sending:
    """A schedule in use: what waits, what is under way, and what was sent."""

    def __init__(self, size: int, most: int) -> None:
        self.schedule: Schedule[Item] = Schedule(size, most)
        self.size, self.most = size, most
        self.waiting: list[Item] = []
        self.under_way: list[Group[Item]] = []
        self.sent: list[Item] = []

    def add(self, item: Item) -> None:
        self.schedule.add(item, item[1])
        self.waiting.append(item)

    def begin(self, *, partial: bool) -> None:
        while len(self.under_way) < self.most:
            busy = {sender for group in self.under_way for sender in group.senders}
            free = [item for item in self.waiting if item[1] not in busy]
            group = self.schedule.take(partial=partial)
            if group is None:
                assert not free or (not partial and len(free) < self.size), (
                    "something could be sent"
                )
                return
            assert 1 <= len(group.items) <= self.size
            assert group.items[0] == free[0], "the first in the input is not sent first"
            assert {sender for _, sender in group.items} == set(group.senders)
            assert not busy.intersection(group.senders), "a sender is in two requests"
            self.waiting = [item for item in self.waiting if item not in group.items]
            self.under_way.append(group)
            self.sent += group.items

    def end(self, position: int) -> None:
        if self.under_way:
            self.schedule.release(self.under_way.pop(position % len(self.under_way)))


@given(
    senders=st.lists(st.integers(0, 4), max_size=40),
    size=st.integers(1, 5),
    most=st.integers(1, 5),
    ends=st.lists(st.tuples(st.booleans(), st.integers(0, 4)), max_size=40),
)
def test_every_sender_keeps_its_order_and_nothing_waits_without_need(
    senders: list[int], size: int, most: int, ends: list[tuple[bool, int]]
) -> None:
    run = Sending(size, most)
    events = iter(ends)
    for item in enumerate(senders):
        run.add(item)
        run.begin(partial=False)
        is_due, position = next(events, (False, 0))
        if is_due:
            run.end(position)
            run.begin(partial=False)
    while run.waiting or run.under_way:
        run.begin(partial=True)
        run.end(next(events, (True, 0))[1])
    assert sorted(run.sent) == list(enumerate(senders))
    for sender in set(senders):
        own = [item for item in run.sent if item[1] == sender]
        assert own == sorted(own)


def test_batches_of_several_senders_are_sent_side_by_side() -> None:
    """If one batch held every sender's next transaction, all the others would wait for it."""
    run = Sending(size=10, most=4)
    for place in range(80):
        run.add((place, place % 8))
    run.begin(partial=False)
    assert [len(group.items) for group in run.under_way] == [10, 10, 10, 10]
    assert max(place for place, _ in run.sent) < 40 + 10, "some senders are far ahead"


def test_a_batch_waits_until_it_is_full_or_the_input_ends() -> None:
    schedule: Schedule[str] = Schedule(3, 2)
    schedule.add("a", 1)
    schedule.add("b", 2)
    assert schedule.take(partial=False) is None
    group = schedule.take(partial=True)
    assert group is not None
    assert group.items == ["a", "b"]
