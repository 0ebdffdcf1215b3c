"""The conditions of one run, drawn from a seed: the same seed gives the same scenario."""

from dataclasses import dataclass
from random import Random
from typing import Literal

from tests.support.model.endpoint import Character
from tests.support.model.reactions import PROFILES, REFUSALS, draw
from tests.support.model.transactions import Tx, make_transaction

Mode = Literal["one", "rpc", "stream", "program", "signals"]
"""With the library, ``one`` sends a transaction, ``rpc`` makes another call, and ``stream`` sends
several transactions; ``program`` sends several with the command line, and ``signals`` interrupts
that."""

Nobody = Literal["dead", "blackhole"]
"""An endpoint on which nothing listens, or that drops every SYN."""

DIAL_TIMEOUT = 0.3
REQUEST_TIMEOUT = 0.3


@dataclass(frozen=True, slots=True)
class InputLine:
    """One line of the input that is neither blank nor a comment."""

    number: int
    """Counted from 1, blank lines and comments included."""
    text: str
    tx: Tx | None
    """None if it holds no transaction."""


@dataclass(frozen=True, slots=True)
class SignalMoment:
    """When a signal is sent."""

    event: Literal["start", "request", "answer"]
    count: int
    """The number of events to wait for."""
    delay: float
    """Seconds to wait after the event."""
    name: Literal["SIGINT", "SIGTERM", "SIGHUP"]
    stopped_for: float | None = None
    """Seconds for which the process is stopped (SIGSTOP) before the signal; None to not stop it."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """Everything that is drawn before a run."""

    seed: str
    mode: Mode
    endpoints: tuple[Character | Nobody, ...]
    lines: tuple[InputLine, ...]
    text: str
    """The whole input."""
    before: tuple[str, ...]
    """The hashes of the transactions that the node has before the run."""
    batch_size: int = 1
    in_flight: int = 1
    keep_going: bool = False
    deadline: float | None = None
    retry_for: float | None = None
    hedge_after: float | None = None
    signals: tuple[SignalMoment, ...] = ()
    method: str = "eth_sendRawTransaction"

    @property
    def transactions(self) -> tuple[Tx, ...]:
        """The transactions of the input, in order."""
        return tuple(line.tx for line in self.lines if line.tx is not None)

    @property
    def groups_are_known(self) -> bool:
        """Whether the input alone determines which transactions are sent together."""
        return self.in_flight == 1 or self.batch_size == 1

    @property
    def has_doubles(self) -> bool:
        """Whether the input has a transaction twice."""
        hashes = [tx.hash for tx in self.transactions]
        return len(set(hashes)) < len(hashes)


def draw_scenario(mode: Mode, seed: str) -> Scenario:
    """Return the scenario of a mode and a seed."""
    random = Random(f"{mode} {seed}")
    many = mode in ("stream", "program", "signals")
    batch_size = random.choice((1, 2, 3, 4, 8)) if many else 1
    in_flight = Random(f"{mode} {seed} in flight").choice((1, 1, 2, 3, 4, 8)) if many else 1
    count = random.randint(2, 9 if in_flight < 3 else 24) if many else int(mode == "one")
    text, lines = _draw_input(random, mode, count, batch_size, 3 if in_flight < 3 else 8)
    hashes = [line.tx.hash for line in lines if line.tx is not None]
    hedges: tuple[float | None, ...] = (None, None, None, 0.0, 0.01, 0.1)
    if mode == "signals":
        hedges = (None, 0.0, 0.01)
    if mode in ("program", "signals") and batch_size > 1:
        hedges = (None,)  # the program does not say if a refused batch had sends or look-ups
    share = random.choice((0, 0, 0, 0.3, 1))
    return Scenario(
        seed=seed,
        mode=mode,
        endpoints=_draw_endpoints(random, many=many),
        lines=lines,
        text=text,
        before=tuple(h for h in hashes if random.random() < share),
        batch_size=batch_size,
        in_flight=in_flight,
        keep_going=many and random.random() < 0.5,
        deadline=random.choice((None, None, None, 0.2, 0.5, 1.0)),
        # A separate generator, so that older seeds still give the same rest.
        # Not for the program, which does not print the round of an attempt.
        retry_for=Random(f"{mode} {seed} retries").choice((None, None, None, 0.3, 0.8))
        if mode in ("one", "rpc", "stream")
        else None,
        hedge_after=Random(f"{mode} {seed} hedge").choice(hedges),
        signals=_draw_signals(random, len(lines), seed) if mode == "signals" else (),
        method=random.choice(("eth_chainId", "eth_getBalance", "eth_sendTransaction"))
        if mode == "rpc"
        else "eth_sendRawTransaction",
    )


def _draw_input(
    random: Random, mode: Mode, count: int, batch_size: int, most_senders: int
) -> tuple[str, tuple[InputLine, ...]]:
    """Return the text of an input file, and its lines that are neither blank nor comments."""
    senders = random.randint(1, most_senders)
    conflicts = mode != "signals" and random.random() < 0.2
    doubles = mode != "signals" and random.random() < 0.05
    bad = mode in ("stream", "program") and random.random() < 0.15
    written: list[str] = []
    lines: list[InputLine] = []
    for position in range(count):
        if mode in ("program", "signals") and random.random() < 0.1:
            written.append(random.choice(("", "# a comment", "  ")))
        nonce = position // (2 if conflicts else 1)
        tx: Tx | None = make_transaction(random, 1 + position % senders, nonce)
        if doubles and position >= batch_size and random.random() < 0.4:
            # Only once, and in another batch: the log identifies transactions by hash.
            tx, doubles = lines[0].tx, False
        if bad and random.random() < 0.2:
            tx = None
        text = tx.raw if tx is not None else random.choice(("0xzz", "0x1", "02f8"))
        written.append(text)
        lines.append(InputLine(len(written), text, tx))
    return "".join(f"{each}\n" for each in written), tuple(lines)


def _draw_endpoints(random: Random, *, many: bool) -> tuple[Character | Nobody, ...]:
    return tuple(_draw_endpoint(random, many=many) for _ in range(random.choice((1, 2, 2, 3))))


def _draw_endpoint(random: Random, *, many: bool) -> Character | Nobody:
    nobody = random.random()
    if nobody < 0.07:
        return "dead"
    if nobody < 0.08:
        return "blackhole"

    def chance(share: float) -> bool:
        return random.random() < share

    dies = chance(0.1)
    return Character(
        profile=draw(random, PROFILES),
        batch_limit=random.randint(1, 4) if many and chance(0.25) else None,
        refusal=random.choice(REFUSALS),
        shortens_to=random.randint(0, 3) if many and chance(0.1) else None,
        shuffles=many and chance(0.3),
        repeats=many and chance(0.1),
        delay=random.uniform(0.005, 0.04) if chance(0.2) else 0.0,
        closes=chance(0.15),
        dies_after=random.randint(1, 4) if dies else None,
        dead_for=random.uniform(0.01, 0.2) if dies and chance(0.5) else None,
    )


def _draw_signals(random: Random, lines: int, seed: str) -> tuple[SignalMoment, ...]:
    # A separate generator, so that older seeds still give the same rest.
    stops = Random(f"{seed} stops")

    def moment() -> SignalMoment:
        return SignalMoment(
            event=random.choice(("start", "request", "request", "answer", "answer")),
            count=random.randint(1, lines + 1),
            delay=random.choice((0.0, random.uniform(0, 0.003), random.uniform(0, 0.3))),
            name=random.choice(("SIGINT", "SIGTERM", "SIGHUP")),
            stopped_for=stops.choice((None, None, None, 0.0, 0.05)),
        )

    second = random.random() < 0.2
    return (moment(), moment()) if second else (moment(),)
