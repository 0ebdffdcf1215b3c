"""Model-based tests: with random endpoints, reports about a transaction match what happened to it.

A failure names its seed; `python -m tests.support.model MODE SEED` runs that scenario again and
shows everything. MODEL_SEED=7 repeats a failed test with its seed; for the long run see
`tests/support/model/__main__.py`.
"""

import os
import random
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from seqsend import Rejected, SequencerClient
from tests.support.model.__main__ import run_many
from tests.support.model.chain import Record, Treatment
from tests.support.model.endpoint import Character
from tests.support.model.invariants import INVARIANTS, violations
from tests.support.model.observation import End, Observation, Tried
from tests.support.model.reactions import PROFILES
from tests.support.model.runs import run_scenario
from tests.support.model.scenario import InputLine, Mode, Scenario, draw_scenario
from tests.support.model.transactions import make_transaction

# ---- Each rule can fail ----

_random = random.Random(1)
TXS = [make_transaction(_random, 1, nonce) for nonce in range(4)]
A, B, C, D = (tx.hash for tx in TXS)
HEALTHY = Character(PROFILES[0])
FUNDS = "insufficient funds"

TOOK = Treatment("takes it", "hash", "yes")
BROKE = Treatment("HTTP 503", "nothing", "unknown")
KNEW = Treatment("knows it", "error", "yes", -32000, "already known", landed=True)
POOR = Treatment("poor", "error", "yes", -32000, FUNDS)
SHOWED = Treatment("shows it", "found", None)
DENIED = Treatment("says null", "null", None)


def record(  # noqa: PLR0917
    number: int,
    endpoint: int,
    about: str,
    treatment: Treatment,
    status: int | None = 200,
    taken: bool = False,  # noqa: FBT001, FBT002
) -> Record:
    look_up = treatment.said in ("found", "null")
    return Record(
        number,
        endpoint,
        float(number),
        "eth_getTransactionByHash" if look_up else "eth_sendRawTransaction",
        () if look_up else (about,),
        (about,) if look_up else (),
        batch=False,
        treatments={about: treatment},
        taken={about} if taken else set(),
        status=status,
        answered_at=float(number) if status else None,
    )


def tried(endpoint: int, outcome: str, delivered: str, status: int | None = 200) -> Tried:
    phase = "answer" if status else "dial"
    return Tried(endpoint, outcome, phase, delivered, status, "it failed", "closed")


def observe(**changes: Any) -> Observation:
    """Four lines: accepted, known after a failover, rejected, and not sent."""
    lines = tuple(InputLine(n, tx.raw, tx) for n, tx in enumerate(TXS, start=1))
    seen = Observation(
        Scenario("0", "program", (HEALTHY, HEALTHY), lines, "", ()),
        [
            End("accepted", A, 1, (tried(1, "answered", "yes"),), 1, 0),
            End(
                "known",
                B,
                1,
                (
                    tried(1, "failover", "unknown", 503),
                    tried(2, "verdict", "yes"),
                    tried(1, "found", "no"),
                ),
                2,
                0,
            ),
            End("rejected", C, 2, (tried(2, "verdict", "yes"),), 3, 3, -32000, FUNDS),
            End("not_sent", D, None, (), 4),
        ],
        [
            record(1, 1, A, TOOK, taken=True),
            record(2, 1, B, BROKE, 503, taken=True),
            record(3, 2, B, KNEW),
            record(4, 1, B, SHOWED),
            record(5, 2, C, POOR),
        ],
        frozenset({A, B}),
        0.1,
        exit_code=3,
    )
    return replace(seen, **changes)


def with_end(position: int, **changes: Any) -> Observation:
    seen = observe()
    seen.ends[position] = replace(seen.ends[position], **changes)
    return seen


def with_record(position: int, **changes: Any) -> Observation:
    seen = observe()
    seen.log[position] = replace(seen.log[position], **changes)
    return seen


def with_keep_going(seen: Observation) -> Observation:
    return replace(seen, scenario=replace(seen.scenario, keep_going=True))


def in_flight(seen: Observation, most: int = 2) -> Observation:
    return replace(seen, scenario=replace(seen.scenario, in_flight=most))


def too_many_after_a_rejection() -> Observation:
    """Seven rejected transactions: too many were begun after the first rejection."""
    txs = [make_transaction(_random, n, 0) for n in range(1, 8)]
    return replace(
        in_flight(observe()),
        scenario=replace(
            in_flight(observe()).scenario,
            lines=tuple(InputLine(n, tx.raw, tx) for n, tx in enumerate(txs, start=1)),
        ),
        ends=[
            End("rejected", tx.hash, 1, (tried(1, "verdict", "yes"),), n, 3, -32000, FUNDS)
            for n, tx in enumerate(txs, start=1)
        ],
        log=[record(n, 1, tx.hash, POOR) for n, tx in enumerate(txs, start=1)],
        taken=frozenset(),
        exit_code=3,
    )


def third_was_taken(*look_ups: Record, treatment: Treatment = POOR) -> Observation:
    """A rejected transaction that the node has."""
    said = {C: replace(treatment, final=False)}
    seen = with_record(4, taken={C}, treatments=said)
    seen.log.extend(look_ups)
    return replace(seen, taken=frozenset({A, B, C}))


def by_the_library(method: str, answer: Any, *statuses: int) -> Observation:
    seen = observe()
    log = [replace(record(n, n, A, BROKE, s), sends=()) for n, s in enumerate(statuses, start=1)]
    scenario = replace(seen.scenario, mode="rpc", method=method, lines=())
    return replace(seen, scenario=scenario, ends=[], log=log, answer=answer, exit_code=None)


def _rejected_by(index: int) -> Rejected:
    with SequencerClient("http://one:1,http://two:2") as client:
        return Rejected("m", (), 0.0, endpoint=client.endpoints[index - 1])


UNTRUE: list[tuple[str, Callable[[], Observation]]] = [
    ("one_end_per_input_line", lambda: observe(ends=observe().ends[:3])),
    ("one_end_per_input_line", lambda: observe(ends=observe().ends[::-1])),
    ("one_end_per_input_line", lambda: observe(garbage="Traceback")),
    ("json_is_valid", lambda: with_end(0, document={"status": "accepted"})),
    ("hash_is_keccak", lambda: with_end(0, hash=B)),
    ("status_fits_input", lambda: with_end(2, status="usage")),
    ("status_fits_input", lambda: with_end(2, status="interrupted")),
    ("accepted_is_true", lambda: observe(taken=frozenset({B}))),
    ("accepted_is_true", lambda: with_end(0, endpoint=2)),
    ("known_is_true", lambda: observe(taken=frozenset({A}))),
    ("known_is_true", lambda: with_end(1, endpoint=2)),
    ("known_is_true", lambda: with_record(3, treatments={B: DENIED})),
    ("not_sent_reached_no_endpoint", lambda: observe(log=[*observe().log, record(6, 1, D, BROKE)])),
    (
        "not_sent_reached_no_endpoint",
        lambda: observe(log=[*observe().log, record(6, 1, D, BROKE)], signalled=[1.0]),
    ),
    ("not_sent_reached_no_endpoint", lambda: with_end(3, attempts=(tried(1, "failover", "no"),))),
    ("unreachable_was_not_delivered", lambda: with_end(1, status="unreachable")),
    ("unreachable_was_not_delivered", lambda: with_end(2, status="unreachable")),
    ("rejected_is_true", third_was_taken),
    ("rejected_is_true", lambda: third_was_taken(record(6, 2, C, DENIED))),
    (
        "rejected_is_true",
        lambda: third_was_taken(record(6, 2, C, DENIED), record(7, 1, C, SHOWED)),
    ),
    ("rejected_by_the_named_endpoint", lambda: with_end(2, endpoint=1)),
    ("rejected_by_the_named_endpoint", lambda: with_end(2, message="nonce too low")),
    (
        "rejected_by_the_named_endpoint",
        lambda: with_record(4, treatments={C: replace(POOR, landed=True)}),
    ),
    (
        "rejected_by_the_named_endpoint",
        lambda: with_record(4, treatments={C: replace(POOR, delivered="unknown")}),
    ),
    (
        "rejected_only_after_clean_attempts",
        lambda: with_end(
            2, attempts=(tried(1, "failover", "unknown", 503), tried(2, "verdict", "yes"))
        ),
    ),
    ("attempts_match_requests", lambda: with_end(2, attempts=())),
    ("attempts_match_requests", lambda: with_end(0, attempts=(tried(2, "answered", "yes"),))),
    (
        "attempts_match_requests",
        lambda: with_end(
            0, attempts=(tried(1, "failover", "no", 429), tried(1, "answered", "yes"))
        ),
    ),
    ("attempts_match_requests", lambda: with_record(2, status=None, answered_at=None)),
    (
        "delivered_is_true",
        lambda: with_end(1, attempts=(tried(1, "failover", "no", 503), tried(2, "verdict", "yes"))),
    ),
    ("an_answer_is_believed", lambda: with_end(0, status="unknown")),
    ("look_ups_are_true", lambda: with_record(3, treatments={B: DENIED})),
    (
        "look_ups_are_true",
        lambda: with_end(1, attempts=(tried(1, "not_found", "no"),)),
    ),
    (
        "no_look_up_after_a_silent_one",
        lambda: observe(
            log=[record(1, 1, A, SHOWED, None), record(2, 1, A, SHOWED)], taken=frozenset()
        ),
    ),
    (
        "every_endpoint_is_tried",
        lambda: with_end(2, status="unreachable", attempts=(tried(2, "outage", "no", 429),)),
    ),
    (
        "every_endpoint_is_tried",
        lambda: with_end(2, attempts=tuple(tried(n, "failover", "no", 429) for n in (1, 2, 1))),
    ),
    ("it_stops_at_the_first_bad_end", lambda: with_end(1, status="unknown")),
    ("it_stops_only_for_a_reason", lambda: with_end(2, status="not_sent")),
    ("it_stops_only_for_a_reason", lambda: in_flight(with_end(2, status="not_sent"))),
    ("it_stops_at_the_first_bad_end", too_many_after_a_rejection),
    ("senders_keep_their_order", lambda: in_flight(with_record(0, number=6))),
    ("senders_keep_their_order", lambda: in_flight(with_record(2, number=6))),
    ("it_stops_only_for_a_reason", lambda: with_keep_going(observe())),
    ("exit_code_is_the_first_that_is_not_zero", lambda: observe(exit_code=0)),
    ("exit_code_is_the_first_that_is_not_zero", lambda: observe(exit_code=1)),
    ("exit_code_is_the_first_that_is_not_zero", lambda: observe(signalled=[1.0], exit_code=-1)),
    ("only_seqsend_errors_are_raised", lambda: observe(raised=IndexError())),
    ("only_seqsend_errors_are_raised", lambda: observe(stderr="Traceback (most recent call last)")),
    ("only_seqsend_errors_are_raised", lambda: observe(stderr="error: a defect of seqsend")),
    ("it_ends_in_time", lambda: observe(elapsed=60.0)),
    ("it_ends_in_time", lambda: observe(signalled=[9.0], after_signal=9.0)),
    ("it_ends_in_time", lambda: observe(signalled=[4.5], after_signal=0.1)),
    (
        "a_failed_attempt_says_why",
        lambda: with_end(1, attempts=(replace(tried(1, "failover", "no"), reason_code=None),)),
    ),
    (
        "a_call_is_reported_truthfully",
        lambda: by_the_library("eth_sendTransaction", _rejected_by(1), 503, 200),
    ),
    ("a_call_is_reported_truthfully", lambda: by_the_library("eth_chainId", _rejected_by(1))),
    ("nothing_is_lost_after_a_signal", lambda: observe(ran_again=["accepted", "unknown"])),
]


def test_a_true_observation_violates_no_rule() -> None:
    assert violations(observe()) == []


@pytest.mark.parametrize(
    ("rule", "make"), [pytest.param(*case, id=f"{case[0]}-{n}") for n, case in enumerate(UNTRUE)]
)
def test_a_rule_finds_an_untrue_observation(rule: str, make: Callable[[], Observation]) -> None:
    seen = make()
    found = [each for each in INVARIANTS if list(each(seen))]
    assert rule in {each.__name__ for each in found}


def test_every_rule_has_an_untrue_observation() -> None:
    assert {rule for rule, _ in UNTRUE} == {each.__name__ for each in INVARIANTS}


def test_an_untrue_rejection_is_allowed_if_every_endpoint_denied_the_transaction() -> None:
    """The verdict left it open, and every endpoint answered the look-up with null."""
    seen = third_was_taken(record(6, 2, C, DENIED), record(7, 1, C, DENIED))
    assert violations(seen) == []


def test_a_seed_determines_the_scenario() -> None:
    assert draw_scenario("program", "7.1") == draw_scenario("program", "7.1")
    assert draw_scenario("program", "7.1") != draw_scenario("program", "7.2")


def test_a_seed_determines_what_the_endpoints_do() -> None:
    first, second = (run_scenario("one", "7.4") for _ in range(2))
    assert [r.treatments for r in first.log] == [r.treatments for r in second.log]
    assert first.log
    assert first.taken == second.taken


# ---- Every rule holds ----

# Maximum of scenarios, and seconds after which no more are started.
PARTS: dict[Mode, tuple[int, float]] = {
    "one": (400, 5),
    "stream": (250, 5),
    "rpc": (60, 1),
    "program": (30, 4),
    "signals": (30, 5),
}


@pytest.mark.parametrize("mode", PARTS)
def test_reports_are_true_whatever_the_endpoints_do(mode: Mode) -> None:
    seed = os.environ.get("MODEL_SEED") or str(random.SystemRandom().randrange(10**6))
    count, seconds = PARTS[mode]
    seeds = [f"{seed}.{n}" for n in range(count)]
    summary = run_many(mode, seeds, until=time.monotonic() + seconds)
    assert summary.scenarios > 0
    assert not summary.bad, "\n".join([f"MODEL_SEED={seed}", *summary.lines()])
