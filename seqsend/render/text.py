"""Outcomes and attempts as lines that a person reads on stderr, and the answer on stdout."""

from collections.abc import Mapping
from types import MappingProxyType

from seqsend.models import Attempt
from seqsend.redaction import escape
from seqsend.render.document import document, to_json
from seqsend.render.outcome import Outcome

# The line for an attempt, by its outcome. Other outcomes get no line: the command's last line
# reports them.
_ATTEMPT_LINES: Mapping[str, str] = MappingProxyType(
    {
        "failover": "{endpoint}: {reason} ({phase}, {elapsed}); trying the next",
        "outage": "{endpoint}: {reason} ({phase}, {elapsed})",
        "abandoned": "{endpoint}: abandoned because {reason} ({phase}, {elapsed})",
        "refused": "{endpoint}: {reason}; sending smaller batches",
        "unsupported": "{endpoint}: {reason} ({method}); sending it and waiting instead",
        "found": "{endpoint}: has the transaction (look-up by hash, {elapsed})",
        "not_found": "{endpoint}: does not have the transaction (look-up by hash, {elapsed})",
        "lookup_failed": "{endpoint}: look-up by hash failed: {reason} ({phase}, {elapsed})",
    }
)

_HINTS: Mapping[tuple[str, str], str] = MappingProxyType(
    {
        ("send", "unreachable"): "nothing was sent: check the addresses, then send it again",
        ("send", "pending"): "to look: seqsend rpc eth_getTransactionReceipt {hash}",
        ("rpc", "unreachable"): "nothing was delivered: check the addresses, then call again",
        ("send", "unknown"): (
            "sending the same bytes again is safe, a transaction is executed once; "
            "to look: seqsend rpc eth_getTransactionByHash {hash}"
        ),
        ("rpc", "unknown"): "find out what became of it before you call again",
    }
)


_SPENT_NONCE: Mapping[str, str] = MappingProxyType(
    {
        # It was found nowhere, or it would not be rejected.
        "send": (
            "another transaction has its nonce, and this one was not found: "
            "sign it again with the next nonce"
        ),
        # Nothing was looked up: the transaction with that nonce may be this very one.
        "rpc": (
            "a transaction with its nonce was executed, perhaps this very one: "
            "look for it by its hash before you sign again"
        ),
    }
)

_POLLED = frozenset({"eth_getTransactionReceipt", "eth_getBlockByNumber"})
_HAS_HASH = ("ok", "accepted", "known", "unknown", "pending", "reverted")


def answer_text(outcome: Outcome, *, as_json: bool) -> str | None:
    """Return what is written to stdout, without the newline; None for nothing."""
    if as_json:
        return to_json(document(outcome))
    if outcome.command == "send":
        if outcome.status in _HAS_HASH or _may_be_there(outcome):
            return outcome.hash
        # Among several, every line gets an answer: a word if there is no hash to print.
        return None if outcome.line is None else outcome.status
    if outcome.status != "ok":
        return None
    return escape(outcome.result) if isinstance(outcome.result, str) else to_json(outcome.result)


def _may_be_there(outcome: Outcome) -> bool:
    """Return whether Ctrl-C ended it when an endpoint may have had the transaction."""
    return outcome.status == "interrupted" and any(a.delivered != "no" for a in outcome.attempts)


def attempt_line(attempt: Attempt) -> str | None:
    """Return the line for an attempt; None if the command's last line reports it."""
    form = _ATTEMPT_LINES.get(attempt.outcome)
    if form is None:
        return None
    return form.format(
        endpoint=attempt.endpoint,
        reason=attempt.reason,
        method=attempt.method,
        phase=attempt.phase,
        elapsed=format_elapsed(attempt.elapsed),
    )


class AttemptFilter:
    """Tells attempts that are new from those that repeat the last one.

    A receipt is polled several times a second, and there may be several rounds: a failure is
    reported once, and again when it changes.
    """

    def __init__(self) -> None:
        self._last: dict[tuple[int, str], tuple[str, str | None]] = {}

    def is_new(self, attempt: Attempt) -> bool:
        """Return whether ``attempt`` is not a repetition that ended like the one before it."""
        # Whether another endpoint follows makes no difference.
        outcome = "failover" if attempt.outcome == "outage" else attempt.outcome
        is_poll = attempt.method in _POLLED
        if is_poll and attempt.outcome == "refused":
            return False  # the user did not ask for a batch, and the next attempt brings the answer
        asked = (attempt.endpoint.index, "" if is_poll else attempt.method)
        said = (outcome, attempt.reason)
        is_change = self._last.get(asked) != said
        self._last[asked] = said
        return is_change or not (is_poll or attempt.round > 1)


def detail_line(attempt: Attempt) -> str:
    """Return the line that `-v` adds to each attempt: method, HTTP status, time of each phase."""
    times = [f"{phase} {format_elapsed(seconds)}" for phase, seconds in attempt.timings.items()]
    status = f"HTTP {attempt.http_status}" if attempt.http_status else "no HTTP status"
    said = f"{attempt.endpoint}: {attempt.method}, {status}, delivered: {attempt.delivered}"
    return f"  {said}; {', '.join(times)}" if times else f"  {said}"


def success_line(outcome: Outcome) -> str:
    """Return the line that says which endpoint answered."""
    said = f"answered by {outcome.endpoint} in {format_elapsed(outcome.elapsed)}"
    if outcome.explanation is not None:
        return f"dry run, not sent: {outcome.explanation.sentence}; {said}"
    if outcome.status == "known":
        said = (
            f"already known: confirmed by {outcome.endpoint} in {format_elapsed(outcome.elapsed)}"
        )
    if outcome.failovers:
        plural = "s" if outcome.failovers > 1 else ""
        said += f" after {outcome.failovers} failover{plural}"
    if outcome.rounds > 1:
        said += f" in round {outcome.rounds}"
    if outcome.receipt is None:
        return said
    from seqsend.render.waits import receipt_text  # most do not wait

    return f"{said}; {receipt_text(outcome.receipt, outcome.level)}"


def standby_line(outcome: Outcome) -> str | None:
    """Return the warning that a standby took the transaction; None if none did."""
    if not outcome.is_by_standby:
        return None
    return (
        f"warning: accepted by {outcome.endpoint}, a standby according to its op-node: the "
        "active sequencer has it only if that endpoint forwards it"
    )


def explanation_text(outcome: Outcome, *, brief: bool) -> str | None:
    """Return why a transaction was rejected and, unless ``brief``, what was compared.

    None if that was not asked for. The sentence is left out if the error says it.
    """
    if outcome.explanation is None:
        return None
    from seqsend.render.explained import explanation_rows  # loads modules that few runs need

    why = f"why: {outcome.explanation.sentence}" if outcome.status == "rejected" else None
    rows = [] if brief else explanation_rows(outcome.explanation)
    return "\n".join([*([why] if why else []), *rows]) or None


def hint_line(outcome: Outcome) -> str | None:
    """Return what to do after an outcome that is not a success; None if there is nothing to say."""
    hint = _HINTS.get((outcome.command, outcome.status))
    is_explained = outcome.explanation is not None and outcome.explanation.speaks_against
    if outcome.status == "rejected" and not is_explained and _has_spent_nonce(outcome):
        hint = _SPENT_NONCE[outcome.command]
    codes = {attempt.reason_code for attempt in outcome.attempts}
    if outcome.status == "unreachable" and codes == {"no_such_method"}:
        hint = "no endpoint has {method}: use an execution endpoint that has it"
    if outcome.command == "send" and _may_be_there(outcome):
        hint = _HINTS["send", "unknown"]
    method = outcome.attempts[-1].method if outcome.attempts else None
    return f"hint: {hint.format(hash=outcome.hash, method=method)}" if hint else None


def _has_spent_nonce(outcome: Outcome) -> bool:
    """Return whether the verdict says that the nonce is spent."""
    verdict = next((a.error for a in outcome.attempts if a.outcome == "verdict"), None)
    if verdict is None:
        return False
    from seqsend.verdicts.node_errors import says_nonce_spent  # most outcomes need none of it

    return says_nonce_spent(verdict)


def format_elapsed(seconds: float) -> str:
    """Return a time as a person reads it: ``0.4 ms``, ``84 ms``, ``12.3 s``."""
    if seconds < 0.001:
        return f"{seconds * 1000:.1f} ms"
    if seconds < 10:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.1f} s"
