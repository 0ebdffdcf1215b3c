"""Rules that must hold after every run, whatever the endpoints did.

Each rule is a function that yields one line per violation.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import jsonschema

from seqsend import Answer, DeliveryUnknown, Rejected, SeqsendError, Unreachable
from tests.support.model.chain import Record
from tests.support.model.observation import End, Observation, Tried, treatment_of
from tests.support.model.reactions import WHOLE
from tests.support.model.transactions import Tx, keccak_of

Violations = Iterator[str]

_SCHEMA = json.loads((Path(__file__).parents[2] / "outcome.schema.json").read_text())
_VALIDATOR = jsonschema.Draft202012Validator(_SCHEMA)
_SECONDS_AFTER_A_SIGNAL = 1.5
_SECONDS_TO_NOTICE_A_SIGNAL = 0.1
GOOD = ("accepted", "known")
_CALL_ENDS = ("accepted", "known", "rejected", "unreachable", "unknown")
_REFUSING = {line.status for line in WHOLE if line.status >= 300 and line.delivered == "no"}
_REFUSING_WORDS = {line.name for line in WHOLE if line.error and line.delivered == "no"}
_NOT_WRITTEN = ("dns", "dial", "proxy", "tls", "upgrade")


def one_end_per_input_line(seen: Observation) -> Violations:
    """Each input line that is not blank or a comment has one end, in the order of the input."""
    if seen.raised is not None or _came_too_early(seen):
        return
    wanted = [line.number for line in seen.scenario.lines]
    found = [end.line for end in seen.ends]
    if seen.scenario.mode == "one":
        found, wanted = [1] * len(found), [1]
    if found != wanted:
        yield f"the input has the lines {wanted}, but the output {found}"
    if seen.garbage:
        yield f"on stdout: {seen.garbage[:200]!r}"


def json_is_valid(seen: Observation) -> Violations:
    """Every object that the program prints conforms to the schema."""
    for end in seen.ends:
        if end.document is not None:
            for error in _VALIDATOR.iter_errors(end.document):
                yield f"line {end.line}: {error.json_path}: {error.message[:150]}"


def hash_is_keccak(seen: Observation) -> Violations:
    """The hash of each line is the Keccak-256 of its bytes; an invalid line has no hash."""
    for line, end in seen.pairs():
        right = None if line.tx is None else keccak_of(line.tx.raw)
        if end.hash != right:
            yield f"line {line.number}: {end.status} with the hash {end.hash} instead of {right}"


def status_fits_input(seen: Observation) -> Violations:
    """A line without a transaction ends as ``usage`` or ``not_sent``, and no other as ``usage``."""
    for line, end in seen.pairs():
        bad = line.tx is None
        allowed = ("usage", "not_sent") if bad else (*_CALL_ENDS, "not_sent", "interrupted")
        if end.status not in allowed:
            yield f"line {line.number}: {end.status}"
        if end.status == "interrupted" and not seen.signalled:
            yield f"line {line.number}: interrupted, but there was no signal"


def accepted_is_true(seen: Observation) -> Violations:
    """``accepted``: the node has it, and the named endpoint answered with its hash."""
    for end in _with_status(seen, "accepted"):
        if end.hash not in seen.taken:
            yield f"{_which(end)}: accepted, but the node does not have it"
        elif not any(
            record.endpoint == end.endpoint and treatment_of(record, end.hash).said == "hash"
            for record in seen.records_of(end.hash)
        ):
            yield f"{_which(end)}: accepted by endpoint {end.endpoint}, which did not say so"


def known_is_true(seen: Observation) -> Violations:
    """``known``: the node has it, and the named endpoint found it."""
    for end in _with_status(seen, "known"):
        if end.hash not in seen.taken:
            yield f"{_which(end)}: known, but the node does not have it"
        elif not _looked_up(seen, end.hash, end.endpoint, "found"):
            yield f"{_which(end)}: known by endpoint {end.endpoint}, which did not find it"


def not_sent_reached_no_endpoint(seen: Observation) -> Violations:
    """``not_sent`` and ``usage``: no endpoint received its bytes in this run.

    Exception: a signal came after endpoints had refused it with a message or status that says so.
    """
    if seen.scenario.has_doubles:
        return
    for line, end in seen.pairs():
        if end.status not in ("not_sent", "usage"):
            continue
        halfway = bool(seen.signalled) and end.status == "not_sent"
        if end.attempts and not halfway:
            yield f"line {line.number}: {end.status} with attempts"
        for record in seen.records_of(line.tx.hash) if line.tx is not None else ():
            if not (halfway and _refused(record, line.tx)):
                yield f"line {line.number}: {end.status}, but request {record.number} has it"


def _refused(record: Record, tx: Tx | None) -> bool:
    """Return whether an endpoint did not take a transaction and said so."""
    if tx is None or tx.hash in record.taken or record.answered_at is None:
        return False
    return treatment_of(record, tx.hash).delivered in ("no", None)


def unreachable_was_not_delivered(seen: Observation) -> Violations:
    """``unreachable``: every endpoint that received it refused it, and said so."""
    if seen.scenario.has_doubles:
        return
    for end in _with_status(seen, "unreachable"):
        for record in seen.records_of(end.hash):
            treatment = treatment_of(record, end.hash)
            if end.hash in record.taken:
                yield f"{_which(end)}: unreachable, but request {record.number} delivered it"
            elif record.answered_at is None or treatment.delivered not in ("no", None):
                yield f"{_which(end)}: unreachable, but request {record.number} may deliver it"


def rejected_is_true(seen: Observation) -> Violations:
    """``rejected``: the node does not have it, or every endpoint that was asked denied it."""
    hashes = [tx.hash for tx in seen.scenario.transactions]
    for end in _with_status(seen, "rejected"):
        # If the input repeats it, the other line may have delivered it.
        if end.hash in seen.taken and hashes.count(end.hash) == 1:
            why = _why_not_misled(seen, end)
            if why is not None:
                yield f"{_which(end)}: rejected, but the node has it ({why})"


def _why_not_misled(seen: Observation, end: End) -> str | None:
    """Return why an untrue ``rejected`` is wrong, or None if the endpoints misled the program."""
    assert end.hash is not None
    records = seen.records_of(end.hash)
    verdicts = [r for r in records if _gave_verdict(r, end)]
    for record in records:
        if record not in verdicts and end.hash in record.taken:
            return f"taken by request {record.number}, which gave no verdict"
    look_ups = seen.look_ups_of(end.hash)
    if any(treatment_of(r, end.hash).said == "found" for r in look_ups if r.answered_at):
        return "a look-up found it"
    failed = {r.endpoint for r in seen.log if r.look_ups and _failed_to_answer(r)}
    asked = {r.endpoint for r in look_ups}
    gone = {a.endpoint for a in end.attempts if a.is_look_up and a.phase in _NOT_WRITTEN}
    unasked = seen.listening - asked - failed - gone
    if unasked:
        return f"endpoint {min(unasked)} was not asked about it"
    denied = any(treatment_of(r, end.hash).said == "null" for r in look_ups)
    return None if denied else "no look-up denied it"


def _failed_to_answer(record: Record) -> bool:
    said = {treatment.said for treatment in record.treatments.values()}
    return record.answered_at is None or not said & {"found", "null"}


def _gave_verdict(record: Record, end: End) -> bool:
    assert end.hash is not None
    treatment = treatment_of(record, end.hash)
    return (
        record.endpoint == end.endpoint
        and treatment.said == "error"
        and (treatment.code, treatment.message) == (end.code, end.message)
    )


def rejected_by_the_named_endpoint(seen: Observation) -> Violations:
    """``rejected``: the named endpoint gave that verdict on it, and did not call it known."""
    for end in _with_status(seen, "rejected"):
        verdicts = [r for r in seen.records_of(end.hash) if _gave_verdict(r, end)]
        if not verdicts:
            yield f"{_which(end)}: endpoint {end.endpoint} did not say {end.message!r} about it"
        elif treatment_of(verdicts[-1], end.hash).landed:
            yield f"{_which(end)}: rejected after {end.message!r}"
        elif treatment_of(verdicts[-1], end.hash).delivered not in ("yes", None):
            yield f"{_which(end)}: rejected for {end.message!r}, which is not a verdict"


def rejected_only_after_clean_attempts(seen: Observation) -> Violations:
    """``rejected``: no attempt except the verdict can have delivered it."""
    for end in _with_status(seen, "rejected"):
        others = [attempt for attempt in end.sent if attempt.outcome != "verdict"]
        if any(attempt.delivered != "no" for attempt in others):
            yield f"{_which(end)}: rejected after an attempt that may have delivered it"


def attempts_match_requests(seen: Observation) -> Violations:
    """The attempts of a transaction match the requests that carried it, in order."""
    if seen.scenario.has_doubles:
        return
    for end in seen.ends:
        if end.hash is None or end.status in ("not_sent", "usage"):
            continue
        records = seen.records_of(end.hash)
        # Compare per endpoint if several were asked at the same time, or if one was given up
        # unanswered: it may read its request later than the next endpoint does.
        gave_up = any(a.delivered == "unknown" and a.http_status is None for a in end.sent)
        indexes = range(1, len(seen.scenario.endpoints) + 1)
        groups = [{i} for i in indexes] if end.is_hedged or gave_up else [set(indexes)]
        if not all(
            _correspond(
                [attempt for attempt in end.sent if attempt.endpoint in group],
                [record for record in records if record.endpoint in group],
                end.hash,
                seen,
            )
            for group in groups
        ):
            tried = [(a.endpoint, a.outcome, a.delivered, a.http_status) for a in end.sent]
            log = [(r.endpoint, r.reaction, r.status) for r in records]
            yield f"{_which(end)}: {end.status}: attempts {tried}, requests {log}"


def _correspond(
    attempts: Sequence[Tried], records: Sequence[Record], about: str, seen: Observation
) -> bool:
    """Return whether all records match attempts in order, and the other attempts left no record."""
    if not records:
        return all(_leaves_no_record(attempt, seen) for attempt in attempts)
    if not attempts:
        return False
    first, rest = attempts[0], attempts[1:]
    if _fits(first, records[0], about) and _correspond(rest, records[1:], about, seen):
        return True
    return _leaves_no_record(first, seen) and _correspond(rest, records, about, seen)


def _leaves_no_record(attempt: Tried, seen: Observation) -> bool:
    """Return whether an attempt may have ended before the endpoint read the request."""
    answered = attempt.http_status is not None or attempt.outcome in ("answered", "verdict")
    if answered:
        return False
    written = attempt.endpoint in seen.listening and attempt.phase not in _NOT_WRITTEN
    return written or attempt.delivered == "no"


def _fits(attempt: Tried, record: Record, about: str) -> bool:
    """Return whether ``attempt`` can be the report of ``record``."""
    if attempt.endpoint != record.endpoint:
        return False
    treatment = treatment_of(record, about)
    if attempt.outcome in ("answered", "verdict"):
        wanted = "hash" if attempt.outcome == "answered" else "error"
        return treatment.said == wanted and record.answered_at is not None
    if record.answered_at is None or not _saw_the_answer(attempt, record):
        # The endpoint had the whole request, even if its answer was lost.
        return attempt.delivered == "unknown"
    return treatment.delivered in (attempt.delivered, None)


def _saw_the_answer(attempt: Tried, record: Record) -> bool:
    if attempt.outcome in ("interrupted", "abandoned") or attempt.timed_out:
        return False
    return attempt.http_status is not None and attempt.http_status == record.status


def delivered_is_true(seen: Observation) -> Violations:
    """No attempt by which the node took a transaction says ``delivered: no``."""
    if seen.scenario.has_doubles:
        return
    for end in seen.ends:
        if end.hash is None:
            continue
        for index in {attempt.endpoint for attempt in end.sent}:
            took = sum(r.endpoint == index and end.hash in r.taken for r in seen.log)
            maybe = sum(a.endpoint == index and a.delivered != "no" for a in end.sent)
            if took > maybe:
                yield f"{_which(end)}: endpoint {index} took it, but no attempt there says so"


def an_answer_is_believed(seen: Observation) -> Violations:
    """A transaction is ``accepted`` if an endpoint answered with its hash in time."""
    if seen.scenario.has_doubles:
        return
    for end in seen.ends:
        if end.hash is None or end.status in GOOD:
            continue
        records = seen.records_of(end.hash)
        given_up = ("interrupted", "abandoned")
        if any(a.timed_out or a.outcome in given_up for a in end.attempts):
            continue
        for record in records:
            treatment = treatment_of(record, end.hash)
            if treatment.said == "hash" and treatment.delivered and record.answered_at is not None:
                yield f"{_which(end)}: {end.status}, but request {record.number} was answered"


def look_ups_are_true(seen: Observation) -> Violations:
    """The outcome of a look-up is what the endpoint answered: ``not_found`` only for null."""
    for end in seen.ends:
        for attempt in end.attempts if end.hash is not None else ():
            said = {"found": "found", "not_found": "null"}.get(attempt.outcome)
            if said and not _looked_up(seen, end.hash, attempt.endpoint, said):
                yield f"{_which(end)}: {attempt.outcome} at endpoint {attempt.endpoint}: untrue"


def no_look_up_after_a_silent_one(seen: Observation) -> Violations:
    """An endpoint that did not answer a look-up gets no other one of the same group."""
    if seen.scenario.has_doubles or seen.scenario.retry_for is not None:
        return  # in another round it is asked again
    if not seen.scenario.groups_are_known:
        return
    group_of = {end.hash: number for number, group in enumerate(_groups(seen)) for _, end in group}
    silent: set[tuple[int, int | None]] = set()
    for record in seen.log:
        for group in {group_of.get(about) for about in record.look_ups}:
            if (record.endpoint, group) in silent:
                yield f"request {record.number} looks up at endpoint {record.endpoint} again"
            if record.answered_at is None:
                silent.add((record.endpoint, group))


def every_endpoint_is_tried(seen: Observation) -> Violations:
    """Endpoints are tried in cyclic order, each once, and all of them before an end is open.

    An endpoint that failed for another transaction of the same group may be left out.
    """
    if seen.scenario.retry_for is not None:
        return  # tests/failover/test_rounds.py shows it for each round
    total = len(seen.scenario.endpoints)
    known = seen.scenario.groups_are_known
    for group in _groups(seen) if known else [seen.pairs()]:
        failed = {a.endpoint for _, end in group for a in end.sent if a.delivered != "yes"}
        for _, end in group:
            order = [a.endpoint for i, a in enumerate(end.sent) if not _is_repeat(end.sent, i)]
            if end.is_hedged:
                # Smaller batches follow while other endpoints are asked, in no fixed order.
                order = [] if seen.scenario.batch_size > 1 else order
                again = ("refused", "abandoned", "interrupted")
                ended = [a.endpoint for a in end.sent if a.outcome not in again]
                if len(set(ended)) < len(ended):
                    yield f"{_which(end)}: tried twice in {ended}"
            steps = [(index - order[0]) % total for index in order]
            if any(after <= before for before, after in pairwise(steps)):
                yield f"{_which(end)}: tried in the order {order}"
            asked = {attempt.endpoint for attempt in end.sent}
            left_out = set(range(1, total + 1)) - asked - failed
            open_end = end.status == "unreachable" or (end.status == "unknown" and end.code is None)
            if open_end and left_out and seen.scenario.deadline is None:
                yield f"{_which(end)}: {end.status}, but endpoint {min(left_out)} was not tried"


def _is_repeat(attempts: Sequence[Tried], position: int) -> bool:
    """Return whether an endpoint is asked again with a smaller batch."""
    return position > 0 and attempts[position - 1].endpoint == attempts[position].endpoint


def it_stops_at_the_first_bad_end(seen: Observation) -> Violations:
    """Without --keep-going nothing is sent after the group of the first bad end.

    With --in-flight, only a limited number may be sent after a bad end is known.
    """
    if seen.scenario.keep_going or seen.scenario.mode == "one" or seen.signalled:
        return
    if seen.scenario.in_flight > 1:
        yield from _it_stops_once_it_is_known(seen)
        return
    stopped = False
    for group in _groups(seen):
        ends = [end for _, end in group]
        if stopped and any(end.status != "not_sent" for end in ends):
            yield f"line {ends[0].line}: {ends[0].status} after the run should have stopped"
        stopped = stopped or any(end.status not in GOOD for end in ends)


def _it_stops_once_it_is_known(seen: Observation) -> Violations:
    begun = {tx.hash: seen.records_of(tx.hash)[:1] for tx in seen.scenario.transactions}
    first_at = [record.at for records in begun.values() for record in records]
    most = 2 * seen.scenario.in_flight * seen.scenario.batch_size
    for end in _with_status(seen, "rejected"):
        records = [*seen.records_of(end.hash), *seen.look_ups_of(end.hash)]
        answered = [record.answered_at for record in records if record.answered_at is not None]
        if len(answered) < len(records):
            continue  # the log does not say when it was given up
        after = sum(at > max(answered) for at in first_at)
        if after > most:
            yield f"{_which(end)}: {end.status}, but {after} were begun after that"


def senders_keep_their_order(seen: Observation) -> Violations:
    """The transactions of a sender arrive in the order of the input.

    Outside of batches, none arrives while an earlier one is still being sent, for example to
    another endpoint. (With hedging, an abandoned request may arrive late.)
    """
    if seen.scenario.has_doubles:
        return
    latest: dict[int, Record] = {}
    for line, _ in seen.pairs():
        records = seen.records_of(line.tx.hash) if line.tx is not None else []
        if line.tx is None or not records:
            continue
        before = latest.get(line.tx.sender)
        if before is not None and records[0].number < before.number:
            yield f"line {line.number}: request {records[0].number} came before {before.number}"
        single = seen.scenario.batch_size == 1 and seen.scenario.hedge_after is None
        latest[line.tx.sender] = records[-1 if single else 0]


def _groups(seen: Observation) -> Iterator[list[Any]]:
    group: list[Any] = []
    for line, end in seen.pairs():
        if line.tx is None:
            yield group
            yield [(line, end)]
            group = []
            continue
        group.append((line, end))
        if len(group) == seen.scenario.batch_size:
            yield group
            group = []
    yield group


def it_stops_only_for_a_reason(seen: Observation) -> Violations:
    """``not_sent`` only after a bad end or a signal, and never with --keep-going alone."""
    good = not seen.signalled
    if seen.scenario.in_flight > 1 and not seen.scenario.keep_going:
        # In the input, lines that were not sent may precede the one that stopped the run.
        good = good and all(end.status in (*GOOD, "not_sent") for end in seen.ends)
    for line, end in seen.pairs():
        if end.status == "not_sent" and good:
            yield f"line {line.number}: not_sent, but nothing had stopped the run"
        if end.status not in GOOD and not seen.scenario.keep_going:
            good = False


def exit_code_is_the_first_that_is_not_zero(seen: Observation) -> Violations:
    """The exit code is the first one that is not 0, or 130 if a signal stopped the run."""
    if seen.exit_code is None or _came_too_early(seen):
        return
    first = next((end.exit_code for end in seen.ends if end.exit_code), 0)
    stopped = any(end.status in ("interrupted", "not_sent") for end in seen.ends)
    if seen.signalled:
        allowed = {130} if stopped and first in (0, 130) else {130, first}
    else:
        allowed = {first}
    if seen.exit_code not in allowed:
        yield f"exit code {seen.exit_code} instead of {sorted(allowed)}"


def only_seqsend_errors_are_raised(seen: Observation) -> Violations:
    """The library raises only SeqsendError; the program prints no traceback and no defect."""
    if seen.raised is not None and not isinstance(seen.raised, SeqsendError):
        yield f"raised {seen.raised!r}"
    if seen.raised is not None and isinstance(seen.raised, SeqsendError):
        yield f"raised from a stream: {seen.raised!r}"
    for words in ("Traceback", "Exception ignored", "a defect of seqsend"):
        if words in seen.stderr and not (words == "Traceback" and _came_too_early(seen)):
            yield f"on stderr: {seen.stderr[-300:]!r}"
            return


def it_ends_in_time(seen: Observation) -> Violations:
    """A run takes no longer than the sum of its timeouts, and ends soon after a signal."""
    if seen.elapsed > seen.seconds_allowed:
        yield f"{seen.elapsed:.2f} s, but only {seen.seconds_allowed:.2f} s are allowed"
    if seen.after_signal is not None and seen.after_signal > _SECONDS_AFTER_A_SIGNAL:
        yield f"it ended {seen.after_signal:.2f} s after a signal"
    for record in seen.log if seen.signalled else ():
        after = record.at - seen.signalled[0]
        if after > _SECONDS_TO_NOTICE_A_SIGNAL:
            yield f"request {record.number} came {after:.2f} s after a signal"


def a_failed_attempt_says_why(seen: Observation) -> Violations:
    """An attempt without a result has a reason and a reason code."""
    for end in seen.ends:
        for attempt in end.attempts:
            if attempt.outcome in ("answered", "found", "not_found"):
                continue
            if not attempt.reason or not attempt.reason_code:
                said = f"{attempt.reason!r} ({attempt.reason_code})"
                yield f"{_which(end)}: {attempt.outcome} at endpoint {attempt.endpoint}: {said}"


def a_call_is_reported_truthfully(seen: Observation) -> Violations:
    """A call that sends no transaction reports its result, error or failure truthfully."""
    if seen.scenario.mode != "rpc" or seen.answer is None:
        return
    answer, log = seen.answer, seen.log
    if isinstance(answer, (Answer, Rejected)):
        index = answer.endpoint.index if answer.endpoint is not None else None
        if not any(r.endpoint == index and r.answered_at is not None for r in log):
            yield f"answered by endpoint {index}, which did not answer"
    elif isinstance(answer, Unreachable):
        if any(r.status not in _REFUSING for r in log if r.reaction not in _REFUSING_WORDS):
            yield "unreachable, but an endpoint received it"
    elif not isinstance(answer, DeliveryUnknown):
        yield f"ended with {answer!r}"
    if seen.scenario.method == "eth_sendTransaction":
        carried_out = [
            r for r in log if r.status not in _REFUSING and r.reaction not in _REFUSING_WORDS
        ]
        if len(carried_out) > 1:
            yield "a call that must not be made twice went to two endpoints"


def nothing_is_lost_after_a_signal(seen: Observation) -> Violations:
    """If the input is sent again to a healthy endpoint, everything is accepted or known."""
    bad = sorted(set(seen.ran_again) - set(GOOD))
    if bad:
        yield f"the second run ended with {bad}"


INVARIANTS: tuple[Callable[[Observation], Violations], ...] = (
    one_end_per_input_line,
    json_is_valid,
    hash_is_keccak,
    status_fits_input,
    accepted_is_true,
    known_is_true,
    not_sent_reached_no_endpoint,
    unreachable_was_not_delivered,
    rejected_is_true,
    rejected_by_the_named_endpoint,
    rejected_only_after_clean_attempts,
    attempts_match_requests,
    delivered_is_true,
    an_answer_is_believed,
    look_ups_are_true,
    no_look_up_after_a_silent_one,
    every_endpoint_is_tried,
    it_stops_at_the_first_bad_end,
    it_stops_only_for_a_reason,
    senders_keep_their_order,
    exit_code_is_the_first_that_is_not_zero,
    only_seqsend_errors_are_raised,
    it_ends_in_time,
    a_failed_attempt_says_why,
    a_call_is_reported_truthfully,
    nothing_is_lost_after_a_signal,
)


def violations(seen: Observation) -> list[str]:
    """Return every violation, with the name of its rule."""
    return [f"{rule.__name__}: {what}" for rule in INVARIANTS for what in rule(seen)]


def _with_status(seen: Observation, status: str) -> Iterator[Any]:
    return (end for end in seen.ends if end.status == status and end.hash is not None)


def _which(end: End) -> str:
    return f"line {end.line}" if end.line else "it"


def _looked_up(seen: Observation, about: str | None, endpoint: int | None, said: str) -> bool:
    return about is not None and any(
        record.endpoint == endpoint and treatment_of(record, about).said == said
        for record in seen.look_ups_of(about)
    )


def _came_too_early(seen: Observation) -> bool:
    """Return whether a signal ended the process before the program started."""
    return bool(seen.signalled) and not seen.log and not seen.ends
