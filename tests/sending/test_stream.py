"""Several transactions: every line is accounted for, once and in order."""

from collections import Counter, deque
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqsend import waiting
from seqsend.endpoints import parse_endpoints
from seqsend.errors import Interrupted, Rejected, Unreachable
from seqsend.models import NotSent, Sent
from seqsend.sending.outgoing import End
from seqsend.sending.stream import Ended, GroupEnd, Line, Stream
from seqsend.sending.transaction import RawTransaction, parse_raw_transaction
from tests.support.wallet import Wallet

(ENDPOINT,) = parse_endpoints("http://a")
SIGNED = [Wallet(0).sign(2, nonce=nonce) for nonce in range(12)]
BAD = "0x1234"


class Scripted:
    """Ends each transaction as the script says; `interrupt` is a signal while it is sent."""

    def __init__(self, ends: list[str]) -> None:
        self.ends = iter(ends)
        self.sent: list[str] = []
        self.groups: list[int] = []

    def __call__(self, group: Sequence[RawTransaction]) -> GroupEnd:
        self.groups.append(len(group))
        found: list[End] = []
        interrupted = False
        for transaction in group:
            end = next(self.ends)
            if interrupted:
                found.append(NotSent())
            elif end == "interrupt":
                interrupted = True
                found.append(Interrupted())
            else:
                self.sent.append(transaction.hash)
                found.append(
                    Sent(transaction.hash, "accepted", ENDPOINT, (), 0.0)
                    if end == "good"
                    else (Rejected if end == "rejected" else Unreachable)("m", (), 0.0)
                )
        return GroupEnd(found, interrupted)


_KINDS = st.sampled_from(["good", "good", "good", "rejected", "unreachable", "bad line"])


@given(
    kinds=st.lists(_KINDS, max_size=12),
    size=st.integers(1, 5),
    keep_going=st.booleans(),
)
def test_every_line_has_one_end_in_input_order(
    kinds: list[str],
    size: int,
    keep_going: bool,  # noqa: FBT001
) -> None:
    submit = Scripted([kind for kind in kinds if kind != "bad line"])
    stream = Stream(submit, size=size, keep_going=keep_going)
    texts = [BAD if k == "bad line" else SIGNED[i].raw for i, k in enumerate(kinds)]
    ended = list(stream.run(Line(i, t) for i, t in enumerate(texts, start=1)))
    assert [e.line for e in ended] == list(range(1, len(kinds) + 1))
    words = {"good": "accepted", "bad line": "usage"}
    bad = [i for i, kind in enumerate(kinds) if kind != "good"]
    stopped = bad[0] if bad and not keep_going else len(kinds)
    for i, (end, kind) in enumerate(zip(ended, kinds, strict=True)):
        assert end.hash == (None if kind == "bad line" else SIGNED[i].hash)
        expected = words.get(kind, kind)
        if i <= stopped:
            assert end.status == expected
        else:
            # The rest of the group in which the run stopped had been sent too.
            assert end.status in (("not_sent", expected) if i < stopped + size else ("not_sent",))
    # What is reported as sent was sent, and nothing else was.
    reported_as_sent = [e.hash for e in ended if e.status not in ("usage", "not_sent")]
    assert reported_as_sent == submit.sent
    assert max(submit.groups, default=0) <= size


class ReadBefore:
    """Lines that are read ahead, up to ``ahead`` at a time."""

    def __init__(self, texts: Sequence[str], ahead: int) -> None:
        self._all = [Line(number, text) for number, text in enumerate(texts, start=1)]
        self._ahead = ahead
        self._at = 0
        self.upcoming: deque[Line] = deque()

    def __iter__(self) -> Iterator[Line]:
        return self

    def __next__(self) -> Line:
        if not self.upcoming:
            self.upcoming.extend(self._all[self._at : self._at + self._ahead])
            self._at += self._ahead
        if not self.upcoming:
            raise StopIteration
        return self.upcoming.popleft()


@given(
    kinds=st.lists(_KINDS, max_size=12),
    size=st.integers(1, 5),
    ahead=st.integers(1, 13),
    keep_going=st.booleans(),
)
def test_lines_parsed_while_an_answer_is_awaited_end_as_others_do(
    kinds: list[str],
    size: int,
    ahead: int,
    keep_going: bool,  # noqa: FBT001
) -> None:
    ends = [kind for kind in kinds if kind != "bad line"]
    texts = [BAD if k == "bad line" else SIGNED[i].raw for i, k in enumerate(kinds)]
    sends, parsed = Scripted(ends), Counter[str]()

    def send(group: Sequence[RawTransaction]) -> GroupEnd:
        waiting.wait(None, waiting.READ, 0.001)
        return sends(group)

    def parse(text: str) -> RawTransaction:
        parsed[text] += 1
        return parse_raw_transaction(text)

    stream = Stream(send, size=size, keep_going=keep_going, parse=parse)
    found = list(stream.run(ReadBefore(texts, ahead)))
    plain = Stream(Scripted(ends), size=size, keep_going=keep_going)
    others = list(plain.run(Line(i, t) for i, t in enumerate(texts, start=1)))
    assert [(e.line, e.hash, e.status) for e in found] == [
        (e.line, e.hash, e.status) for e in others
    ]
    assert all(count == 1 for text, count in parsed.items() if text != BAD)


def test_the_next_group_is_parsed_while_an_answer_is_awaited() -> None:
    parsed: list[str] = []
    seen: list[int] = []

    def send(group: Sequence[RawTransaction]) -> GroupEnd:
        waiting.wait(None, waiting.READ, 0.001)
        seen.append(len(parsed))
        return Scripted(["good"] * len(group))(group)

    def parse(text: str) -> RawTransaction:
        parsed.append(text)
        return parse_raw_transaction(text)

    lines = ReadBefore([s.raw for s in SIGNED], 12)
    assert len(list(Stream(send, size=4, parse=parse).run(lines))) == 12
    assert seen == [8, 12, 12]


@given(
    before=st.integers(0, 5), after=st.integers(0, 4), size=st.integers(1, 3), inside=st.booleans()
)
def test_ctrl_c_loses_no_line(before: int, after: int, size: int, inside: bool) -> None:  # noqa: FBT001
    """Either while one is sent, or while the next line is read."""
    total = before + after + 1
    ends = ["good"] * before + (["interrupt"] if inside else ["good"]) + ["good"] * after
    stream = Stream(Scripted(ends), size=size)
    lines = iter([Line(i + 1, SIGNED[i].raw) for i in range(total)])

    def read() -> Iterator[Line]:
        for line in lines:
            yield line
            if not inside and line.number == before + 1:
                raise KeyboardInterrupt

    ended: list[Ended] = []
    with pytest.raises(KeyboardInterrupt):
        ended.extend(stream.run(read()))  # `extend` keeps what came before
    ended += stream.rest(lines)
    assert [e.line for e in ended] == list(range(1, total + 1))
    statuses = [e.status for e in ended]
    assert set(statuses) <= {"accepted", "interrupted", "not_sent"}
    assert ("interrupted" in statuses) == inside
    assert statuses == sorted(statuses)  # accepted, then interrupted, then not sent


def test_lines_that_were_not_sent_name_the_line_where_the_run_stopped() -> None:
    submit = Scripted(["good"] * 4)
    stream, lines = Stream(submit), iter(Line(i + 1, SIGNED[i].raw) for i in range(4))
    run = stream.run(lines)
    assert [next(run).status, next(run).status] == ["accepted"] * 2
    rest = list(stream.rest(lines))
    assert [e.end for e in rest] == [NotSent(because=2)] * 2
    assert len(submit.sent) == 2
