"""What is wrong with endpoints that answered: measured by limits, and by each other. Pure."""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from seqsend.diagnosis.hints import HINTS
from seqsend.diagnosis.report import EndpointReport, Verdict, heads_by_chain
from seqsend.models import EndpointRole, FindingCode
from seqsend.units import format_age, format_count

MAX_LAG = 10
"""Default for the blocks by which the heads of one chain may lie apart."""
MAX_AGE = 600.0
"""Default for the greatest age of a head, in seconds."""

# Seconds by which a block may be ahead of this machine's clock: go-ethereum's own tolerance
# (consensus/clique/clique.go, consensus/ethash/consensus.go: allowedFutureBlockTimeSeconds).
_FUTURE = 15.0

# Names (web3_clientVersion) of nodes that mine only when there is something to mine: their heads
# are as old as their last transaction. anvil "anvil/v1.0.0", hardhat
# "HardhatNetwork/2.22.0/…", ganache "Ganache/v7.9.2/EthereumJS TestRPC/v7.9.2/ethereum-js", before
# it "EthereumJS TestRPC/v2.13.2/ethereum-js", eth-tester "EthereumTester/0.9.1/…".
_ON_DEMAND = re.compile(r"anvil|hardhat|ganache|testrpc|ethereumtester", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Limits:
    """What the chains of the endpoints are measured by."""

    chain_id: int | None = None
    """The required one; None to compare the endpoints with each other."""
    max_lag: int = MAX_LAG
    """Blocks by which the heads of one chain may lie apart."""
    max_age: float | None = MAX_AGE
    """Greatest age of a head, in seconds; None for no limit."""
    max_safe_lag: float | None = None
    """Seconds that a safe head may lie behind the head; None for no limit."""


class Finding(NamedTuple):
    """One thing that is wrong with an endpoint that can be used."""

    verdict: Verdict
    code: FindingCode
    reason: str


class _Others(NamedTuple):
    """What an endpoint is compared with."""

    limits: Limits
    usual: EndpointReport | None
    """The first endpoint on the chain that most endpoints are on."""
    highest: Mapping[int, int]
    """The number of the highest head of each chain."""
    active: tuple[int, ...]
    """The endpoints whose sequencer says that it is the active one."""


def judge(
    reports: Sequence[EndpointReport],
    limits: Limits,
    roles: Sequence[EndpointRole] | None = None,
) -> tuple[EndpointReport, ...]:
    """Return ``reports`` with what is wrong with them; ``roles`` are theirs, in the same order.

    What made an endpoint unusable to its probe stays; otherwise the worst finding is reported.
    """
    if roles is not None:
        reports = [
            replace(report, role=found.role, role_reason=found.reason)
            for report, found in zip(reports, roles, strict=True)
        ]
    others = _Others(
        limits,
        _usual(reports),
        {chain: max(heads) for chain, heads in heads_by_chain(reports).items()},
        tuple(r.endpoint.index for r in reports if r.role == "active"),
    )
    return tuple(_judge_one(report, others) if report.usable else report for report in reports)


def _judge_one(report: EndpointReport, others: _Others) -> EndpointReport:
    found = next(filter(None, (rule(report, others) for rule in _RULES)), None)
    if found is not None:
        return replace(
            report,
            verdict=found.verdict,
            phase="answer",
            reason=found.reason,
            reason_code=found.code,
            hint=HINTS[found.code],
        )
    if report.role == "standby":
        hint = report.hint or f"endpoint {others.active[0]} is the active one"
        return replace(report, verdict="STANDBY", hint=hint)
    return report


def _usual(reports: Sequence[EndpointReport]) -> EndpointReport | None:
    """Return the first report with the most frequent chain id; on a tie, with the first id."""
    answered = [report for report in reports if report.chain_id is not None]
    if not answered:
        return None
    # On a tie, Counter returns the id that came first.
    usual = Counter(report.chain_id for report in answered).most_common(1)[0][0]
    return next(report for report in answered if report.chain_id == usual)


def _judge_chain(report: EndpointReport, others: _Others) -> Finding | None:
    if report.chain_id is None:
        return None
    required = others.limits.chain_id
    if required is not None:
        if report.chain_id == required:
            return None
        said = f"chain id {report.chain_id} instead of {required}"
        return Finding("NOT USABLE", "wrong_chain", said)
    usual = others.usual
    if usual is None or report.chain_id == usual.chain_id:
        return None
    said = f"chain id {report.chain_id}, but endpoint {usual.endpoint.index} has {usual.chain_id}"
    return Finding("DIFFERS", "chain_differs", said)


def _judge_age(report: EndpointReport, others: _Others) -> Finding | None:
    limit, age = others.limits.max_age, report.head_age
    if limit is None or age is None or age <= limit or mines_on_demand(report):
        return None
    return Finding("STALE", "head_old", f"head is {format_age(age)} old")


def _judge_lag(report: EndpointReport, others: _Others) -> Finding | None:
    if report.chain_id is None or report.head is None:
        return None
    behind = others.highest[report.chain_id] - report.head.number
    if behind <= others.limits.max_lag:
        return None
    return Finding("DIFFERS", "head_behind", f"{format_count(behind, 'block')} behind")


def _judge_safe(report: EndpointReport, others: _Others) -> Finding | None:
    limit, head, safe = others.limits.max_safe_lag, report.head, report.safe
    if limit is None or head is None or safe is None:
        return None
    if head.timestamp is None or safe.timestamp is None:
        return None
    behind = head.timestamp - safe.timestamp
    if behind <= limit:
        return None
    return Finding("STALE", "safe_stuck", f"safe head is {format_age(behind)} behind")


def _judge_clock(report: EndpointReport, _others: _Others) -> Finding | None:
    age = report.head_age
    if age is None or age >= -_FUTURE or mines_on_demand(report):
        return None
    said = f"head is {format_age(-age)} in the future: clocks differ"
    return Finding("usable", "head_in_future", said)


def _judge_role(report: EndpointReport, others: _Others) -> Finding | None:
    if report.role is None:
        return None
    if report.role == "unhealthy":
        said = "its op-node or op-conductor does not say whether its sequencer is active"
        said += f": {report.role_reason}" if report.role_reason else ""
        return Finding("usable", "role_unknown", said)
    if not others.active:
        verdict: Verdict = "STANDBY" if report.role == "standby" else "usable"
        return Finding(verdict, "none_active", "no endpoint's sequencer is active")
    if report.role == "active" and len(others.active) > 1:
        numbers = ", ".join(map(str, others.active))
        return Finding("usable", "several_active", f"several sequencers are active: {numbers}")
    return None


_RULES: tuple[Callable[[EndpointReport, _Others], Finding | None], ...] = (
    _judge_chain,
    _judge_age,
    _judge_lag,
    _judge_safe,
    _judge_clock,
    _judge_role,
)
"""The worst first."""


def mines_on_demand(report: EndpointReport) -> bool:
    """Return whether a node is known to mine only when there is something to mine."""
    return _ON_DEMAND.search(report.client_version or "") is not None
