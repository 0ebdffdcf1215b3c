"""The preferred endpoint of each endpoint list, kept between runs.

A run that finds the first endpoint dead saves later runs its dial timeout.
"""

import hashlib
import json
import time
from collections.abc import Iterable
from typing import Any

from seqsend.arguments import check_arguments
from seqsend.endpoints import parse_endpoints
from seqsend.errors import PersistenceError
from seqsend.models import Endpoint, Event, Preference, Preferred
from seqsend.persistence import atomic_file

_VERSION = 1
_MOST = 64  # lists; beyond them, those that changed longest ago are forgotten
_MODE = 0o600
_LATEST = 1e12  # seconds since 1970; later than any clock, and small enough to calculate with


class State:
    """Remembers which endpoint of one list is preferred; an observer of the client."""

    def __init__(self, path: str, endpoints: str | Iterable[str]) -> None:
        """Take ``endpoints`` as `seqsend.SequencerClient` does; nothing is read or written yet.

        Raises:
            UsageError: an endpoint is wrong, or ``path`` is not a path.

        """
        check_arguments(path=path)
        self.path = path
        self._endpoints = parse_endpoints(endpoints)
        self._list = _name(self._endpoints)
        self._changed: dict[str, Any] | None = None

    def __call__(self, event: Event) -> None:
        """Note that another endpoint has become the preferred one."""
        if isinstance(event, Preferred):
            self._changed = {"preferred": event.endpoint.index, "since": round(time.time(), 3)}

    def recall(self) -> Preference | None:
        """Return where an earlier run left off; None if the file does not say.

        Raises:
            PersistenceError: the file cannot be read or understood.

        """
        found = _parse(atomic_file.read(self.path)).get(self._list)
        if found is None or found["preferred"] > len(self._endpoints):
            return None
        # If that is in the future, the clock has been set back since.
        return Preference(found["preferred"], max(0.0, time.time() - found["since"]))

    def save(self, *, patience: float) -> None:
        """Write what has changed, if anything; wait up to ``patience`` seconds for other runs.

        Raises:
            PersistenceError: the file cannot be understood or replaced; it is left as it is.
            SignalReceived: a signal came while another run had the lock.

        """
        changed = self._changed
        if changed is None:
            return

        def change(text: str | None) -> str:
            lists = _parse(text)
            old = lists.get(self._list)
            if old is None or old["since"] <= changed["since"]:
                lists[self._list] = changed
            latest = sorted(lists.items(), key=lambda item: item[1]["since"])[-_MOST:]
            return json.dumps({"version": _VERSION, "lists": dict(latest)}, indent=1) + "\n"

        atomic_file.replace(self.path, change, mode=_MODE, patience=patience)
        if self._changed is changed:
            self._changed = None


def _name(endpoints: tuple[Endpoint, ...]) -> str:
    # Made from the redacted addresses: a short password could be guessed from a hash.
    whole = "\n".join(endpoint.redacted for endpoint in endpoints)
    return hashlib.sha256(whole.encode()).hexdigest()


def _parse(text: str | None) -> dict[str, dict[str, Any]]:
    """Return the endpoint lists in a state file.

    Raises:
        PersistenceError: it is not a state file.

    """
    if text is None:
        return {}
    try:
        whole = json.loads(text)
    except (ValueError, RecursionError):
        raise PersistenceError("it is not JSON, or only a part of it") from None
    lists = whole.get("lists") if isinstance(whole, dict) else None
    if not isinstance(lists, dict) or not all(map(_is_entry, lists.values())):
        raise PersistenceError("it is not a state file of seqsend")
    if whole.get("version") != _VERSION:
        raise PersistenceError(
            f"it has version {str(whole.get('version'))[:20]!r}, but this seqsend writes {_VERSION}"
        )
    return lists


def _is_entry(value: Any) -> bool:
    match value:
        case {"preferred": int(index), "since": int() | float() as since}:
            return type(index) is int and index >= 1 and 0 <= since <= _LATEST
    return False
