"""Outcomes as JSON (examples/REFERENCE.md, "JSON")."""

import json
import time
from typing import Any

from seqsend.models import Attempt, Endpoint, Role
from seqsend.redaction import escape
from seqsend.render.outcome import Outcome


def to_json(value: Any) -> str:
    """Return ``value`` as one line of JSON; characters that could harm a terminal are escaped."""
    return escape(json.dumps(value, ensure_ascii=False, separators=(",", ":")))


def document(outcome: Outcome) -> dict[str, Any]:
    """Return the object that `--json` prints."""
    head: dict[str, Any] = {
        "status": outcome.status,
        "exit_code": outcome.exit_code,
        "time": format_time(time.time()),
    }
    if outcome.command == "check":  # without results: they have a document of their own
        nothing: dict[str, Any] = {"endpoints": [], "chain_ids": [], "max_lag": None}
        return head | nothing | {"elapsed_ms": 0.0, "error": outcome.error}
    if outcome.line is not None:
        head["line"] = outcome.line
    if outcome.command == "send":
        head["hash"] = outcome.hash
    if outcome.waited:
        head |= {"receipt": outcome.receipt, "level": outcome.level}
    if outcome.explanation is not None:
        from seqsend.render.explained import explanation_document  # few runs need it

        head["explanation"] = explanation_document(outcome.explanation)
    return head | {
        "result": outcome.result,
        "error": outcome.error,
        "endpoint": _endpoint(outcome.endpoint, outcome.role) if outcome.endpoint else None,
        "attempts": [_attempt(attempt) for attempt in outcome.attempts],
        "failovers": outcome.failovers,
        "rounds": outcome.rounds,
        "elapsed_ms": _milliseconds(outcome.elapsed),
    }


def _endpoint(endpoint: Endpoint, role: Role | None) -> dict[str, Any]:
    shown = {"index": endpoint.index, "url": endpoint.redacted}
    return shown if role is None else shown | {"role": role}


def _attempt(attempt: Attempt) -> dict[str, Any]:
    return {
        "endpoint": _endpoint(attempt.endpoint, attempt.role),
        "outcome": attempt.outcome,
        "phase": attempt.phase,
        "reason": attempt.reason,
        "reason_code": attempt.reason_code,
        "http_status": attempt.http_status,
        "delivered": attempt.delivered,
        "elapsed_ms": _milliseconds(attempt.elapsed),
    }


def format_time(seconds: float) -> str:
    """Return a time, in seconds since 1970, in the form of RFC 3339: in UTC, to the millisecond."""
    whole, milliseconds = divmod(round(seconds * 1000), 1000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(whole))}.{milliseconds:03d}Z"


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 1)
