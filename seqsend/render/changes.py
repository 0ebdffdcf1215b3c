"""The changes from one look at the endpoints to the next."""

import time
from collections.abc import Collection

from seqsend.diagnosis.report import Diagnosis, EndpointReport

_LISTED = 6  # endpoints; any more are only counted


def changes(before: Diagnosis | None, after: Diagnosis) -> list[str]:
    """Return what has changed; endpoints with the same change share a line.

    The first time, with ``before`` None, each endpoint that is not usable is a change. Reasons are
    compared by their codes: their texts may hold a number that is always different.
    """
    indexes: dict[str, list[int]] = {}
    old = [None] * len(after.endpoints) if before is None else before.endpoints
    for was, now in zip(old, after.endpoints, strict=True):
        if was is None and now.verdict == "usable":
            continue
        if was is None or _state(was) != _state(now):
            indexes.setdefault(_change(was, now), []).append(now.endpoint.index)
    return [f"{name_endpoints(found)}: {change}" for change, found in indexes.items()]


def _state(report: EndpointReport) -> tuple[str, str | None]:
    return report.verdict, report.reason_code


def _change(was: EndpointReport | None, now: EndpointReport) -> str:
    why = f" ({now.reason})" if now.reason is not None else ""
    if was is None:
        return f"{now.verdict}{why}"
    if was.verdict == now.verdict:
        return f"still {now.verdict}{why}"
    return f"{was.verdict} -> {now.verdict}{why}"


def dated(line: str) -> str:
    """Return ``line`` after the time: in UTC, to the second, in the form of RFC 3339."""
    return f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} {line}"


def name_endpoints(indexes: Collection[int]) -> str:
    """Return endpoints by their positions: ``endpoint 2``, ``endpoints 2, 3 and 5``."""
    named = [str(index) for index in indexes]
    if len(named) > _LISTED:
        named = [*named[: _LISTED - 1], f"{len(named) - _LISTED + 1} more"]
    last = named.pop()
    return f"endpoints {', '.join(named)} and {last}" if named else f"endpoint {last}"
