"""Reports as `check` makes them, to test how they are displayed."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from seqsend.diagnosis.report import Diagnosis, EndpointReport, Head, Samples
from seqsend.endpoints import parse_endpoints

URL = "http://seq:8545"
GETH = "Geth/v1.101411.3-stable-efa05b1b/linux-amd64/go1.22.9"
_NOW = 1_764_000_000
(_ENDPOINT,) = parse_endpoints(URL)


def report(**fields: Any) -> EndpointReport:
    """Return a report on an endpoint of which only ``fields`` are known."""
    return EndpointReport(_ENDPOINT, **fields)


def head(number: int, *, age: float = 2.0) -> Head:
    """Return a block that is ``age`` seconds old."""
    return Head(number, round(_NOW - age), age)


def healthy(**fields: Any) -> EndpointReport:
    """Return a report on a healthy node."""
    known: dict[str, Any] = {
        "verdict": "usable",
        "timings": {"dns": 0.001, "dial": 0.002, "tls": 0.02, "send": 0.0, "answer": 0.012},
        "chain_id": 10,
        "head": head(123_456_789),
        "safe": head(123_456_700, age=240.0),
        "finalized": head(123_456_000, age=1300.0),
        "client_version": GETH,
        "takes_transactions": "yes",
    }
    return report(**(known | fields))


def failed(**fields: Any) -> EndpointReport:
    """Return a report on an endpoint that was not reached."""
    known: dict[str, Any] = {
        "phase": "dial",
        "reason": "connection refused",
        "reason_code": "refused",
        "hint": "the host is up, but nothing listens on that port: check the node",
    }
    return report(**(known | fields))


def stale(age: float = 7200.0, **fields: Any) -> EndpointReport:
    """Return a report on a node whose head is old."""
    known = {"reason": "head is 2 h old", "reason_code": "head_old", "hint": "has it stopped?"}
    return healthy(verdict="STALE", phase="answer", head=head(7, age=age), **(known | fields))


def differing(**fields: Any) -> EndpointReport:
    """Return a report on a node with another chain id than the others."""
    known = {"reason": "chain id 8453, but endpoint 1 has 10", "reason_code": "chain_differs"}
    return healthy(verdict="DIFFERS", phase="answer", **({"chain_id": 8453} | known | fields))


def standby(**fields: Any) -> EndpointReport:
    """Return a report on a sequencer that is not active."""
    return healthy(verdict="STANDBY", role="standby", hint="endpoint 1 is the active one", **fields)


def diagnosis(*reports: EndpointReport, urls: Sequence[str] = ()) -> Diagnosis:
    """Return a diagnosis of ``reports`` in this order, at ``urls`` or made-up addresses."""
    found = urls or [f"{URL}/{number}" for number in range(len(reports))]
    endpoints = parse_endpoints(",".join(found))
    numbered = (replace(r, endpoint=e) for r, e in zip(reports, endpoints, strict=True))
    return Diagnosis(tuple(numbered), elapsed=0.084)


def diagnoses(most: int) -> st.SearchStrategy[Diagnosis]:
    """Return diagnoses of up to ``most`` endpoints, with URLs and texts of any length."""
    return st.lists(st.tuples(_REPORTS, _PATHS), min_size=1, max_size=most).map(_numbered)


def _numbered(found: Iterable[tuple[EndpointReport, str]]) -> Diagnosis:
    pairs = list(found)
    urls = [f"https://{number}.example/{path}" for number, (_, path) in enumerate(pairs)]
    return diagnosis(*(each for each, _ in pairs), urls=urls)


# No control or format characters: these are escaped before they get into a report.
_TEXTS = st.text(
    st.characters(exclude_categories=("C", "Z", "M"), include_characters=" "), min_size=1
).filter(str.strip)
# Each segment is too short for a secret; the path may be empty, or longer than a line.
_PATHS = st.integers(0, 30).map(lambda segments: "/".join(["segment"] * segments))
_SECONDS = st.floats(0, 1e5)
_HEADS = st.builds(head, st.integers(0, 2**64), age=st.floats(-1e9, 1e9))
_REPORTS = st.builds(
    report,
    verdict=st.sampled_from(["usable", "STALE", "DIFFERS", "STANDBY", "NOT USABLE"]),
    phase=st.sampled_from(["dns", "dial", "tls", "answer"]),
    reason=st.none() | _TEXTS,
    hint=st.none() | _TEXTS,
    timings=st.dictionaries(st.sampled_from(["dns", "dial", "tls", "answer"]), _SECONDS),
    chain_id=st.none() | st.integers(0, 2**256),
    head=st.none() | _HEADS,
    safe=st.none() | _HEADS,
    finalized=st.none() | _HEADS,
    client_version=st.none() | _TEXTS,
    takes_transactions=st.sampled_from([None, "yes", "no", "inconclusive"]),
    forward=st.none() | _SECONDS,
    role=st.sampled_from([None, "active", "standby", "unhealthy"]),
    samples=st.none() | st.builds(Samples, st.lists(_SECONDS, min_size=1).map(tuple)),
)
