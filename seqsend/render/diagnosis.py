"""A diagnosis as JSON (examples/REFERENCE.md, "JSON")."""

import time
from typing import Any

from seqsend.diagnosis.report import Diagnosis, EndpointReport, Head, Samples
from seqsend.render.document import format_time
from seqsend.render.endpoint_text import PHASES
from seqsend.render.outcome import EXIT_CODES


def document(diagnosis: Diagnosis) -> dict[str, Any]:
    """Return the object that `--json` prints (examples/REFERENCE.md, "JSON")."""
    return {
        "status": diagnosis.status,
        "exit_code": EXIT_CODES[diagnosis.status],
        "time": format_time(time.time()),
        "endpoints": [_endpoint(report) for report in diagnosis.endpoints],
        "chain_ids": list(diagnosis.chain_ids),
        "max_lag": diagnosis.max_lag,
        "elapsed_ms": _milliseconds(diagnosis.elapsed),
    }


def _endpoint(report: EndpointReport) -> dict[str, Any]:
    found = {
        "index": report.endpoint.index,
        "url": report.endpoint.redacted,
        "verdict": report.verdict,
        "usable": report.usable,
        "phase": report.phase,
        "reason": report.reason,
        "reason_code": report.reason_code,
        "hint": report.hint,
        **{f"{phase}_ms": _milliseconds(report.timings.get(phase)) for phase in PHASES},
        "answer_ms": _milliseconds(report.answer),
        "forward_ms": _milliseconds(report.forward),
        "chain_id": report.chain_id,
        "block_number": None if report.head is None else report.head.number,
        "head_age_s": _age(report.head),
        "safe_number": None if report.safe is None else report.safe.number,
        "safe_age_s": _age(report.safe),
        "finalized_number": None if report.finalized is None else report.finalized.number,
        "finalized_age_s": _age(report.finalized),
        "client_version": report.client_version,
        "takes_transactions": report.takes_transactions,
        "role": report.role,
        "tls_expires": None if report.tls_expires is None else _moment(report.tls_expires),
    }
    return found | ({} if report.samples is None else {"answers": _samples(report.samples)})


def _samples(samples: Samples) -> dict[str, Any]:
    return {
        "count": len(samples.answers),
        "lost": samples.lost,
        "min_ms": _milliseconds(min(samples.answers)),
        "median_ms": _milliseconds(samples.median),
        "p95_ms": _milliseconds(samples.p95),
        "max_ms": _milliseconds(max(samples.answers)),
    }


def _age(head: Head | None) -> float | None:
    return None if head is None or head.age is None else round(head.age, 1)


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 1)


def _moment(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
