"""The summary line, and the changes from one result to the next."""

from dataclasses import replace

import pytest

from seqsend.diagnosis.report import Diagnosis, EndpointReport
from seqsend.render.changes import changes, name_endpoints
from seqsend.render.endpoint_text import format_signed_age
from seqsend.render.summary import lines, summary
from tests.support.reports import diagnosis, differing, failed, head, healthy, stale, standby

WRONG = healthy(
    verdict="NOT USABLE",
    phase="answer",
    reason="chain id 10 instead of 1",
    reason_code="wrong_chain",
)
SYNCING = healthy(verdict="NOT USABLE", phase="answer", reason="still syncing", hint="wait")
FUTURE = healthy(phase="answer", reason="head is 2 min in the future", reason_code="head_in_future")
BEHIND = differing(chain_id=10, head=head(123_456_788), reason="1 block behind")
DEMAND = healthy(head=head(7, age=300.0))


@pytest.mark.parametrize(
    ("reports", "message"),
    [
        ([healthy()], "1 of 1 usable; chain 10 (ok, 84 ms)"),
        ([healthy()] * 3, "3 of 3 usable; chain 10 (ok, 84 ms)"),
        ([healthy(), failed()], "1 of 2 usable; chain 10 (degraded, 84 ms)"),
        (
            [healthy(), healthy(), differing()],
            "2 of 3 usable, 1 differs; chain ids differ: 10, 8453 (degraded, 84 ms)",
        ),
        (
            [healthy(), differing(), differing(), failed()],
            "1 of 4 usable, 2 differ, 1 not usable; chain ids differ: 10, 8453 (degraded, 84 ms)",
        ),
        (
            [healthy(), BEHIND],
            "1 of 2 usable, 1 differs; chain 10; heads up to 1 block apart (degraded, 84 ms)",
        ),
        (
            [stale()] * 3,
            "3 of 3 reached, 3 stale; chain 10; heads up to 2 h old (degraded, 84 ms)",
        ),
        ([stale()], "1 of 1 reached, 1 stale; chain 10; head 2 h old (degraded, 84 ms)"),
        # --max-age finds no fault with it, but its age is still shown.
        ([DEMAND], "1 of 1 usable; chain 10; head 5 min old (ok, 84 ms)"),
        ([FUTURE], "1 of 1 usable, 1 with a problem; chain 10 (degraded, 84 ms)"),
        ([failed()], "0 of 1 usable (unreachable, 84 ms)"),
        ([failed()] * 2, "0 of 2 usable (unreachable, 84 ms)"),
        (
            [WRONG],
            "0 of 1 usable: it was reached, and is of another chain; chain 10 (not usable, 84 ms)",
        ),
        (
            [WRONG, WRONG, failed()],
            "0 of 3 usable: 2 reached, 2 of another chain; chain 10 (not usable, 84 ms)",
        ),
        ([SYNCING], "0 of 1 usable: it was reached; chain 10 (not usable, 84 ms)"),
        (
            [healthy(role="active"), standby()],
            "1 of 2 usable, 1 on standby; chain 10 (ok, 84 ms)",
        ),
        (
            [standby(reason="none is active")] * 2,
            "2 of 2 reached, 2 on standby; chain 10; no active sequencer (degraded, 84 ms)",
        ),
        (
            [healthy(role="active", reason="several are active")] * 2,
            "2 of 2 usable, 2 with a problem; chain 10; 2 active sequencers (degraded, 84 ms)",
        ),
    ],
)
def test_a_summary_names_every_kind_of_problem(reports: list[EndpointReport], message: str) -> None:
    assert summary(diagnosis(*reports)) == message


def test_plain_lines_show_facts_reasons_and_hints() -> None:
    assert lines(diagnosis(healthy(role="active", forward=0.012), failed())) == [
        "1  usable      http://seq:8545/0",
        (
            "   active, dns 1 ms, dial 2 ms, tls 20 ms, answer 12 ms, forward 12 ms, chain 10, "
            "block 123456789, head age 2 s, safe lag 4 min, finalized lag 22 min, takes tx: yes, "
            "Geth/v1.101411.3-stable-efa05b1b/linux-amd64/go1.22.9"
        ),
        "2  NOT USABLE  http://seq:8545/1",
        "   dial: connection refused",
        "   hint: the host is up, but nothing listens on that port: check the node",
        "1 of 2 usable; chain 10 (degraded, 84 ms)",
    ]


def test_a_head_in_the_future_has_a_negative_age() -> None:
    assert [format_signed_age(seconds) for seconds in (-120.0, -1.0, 0.4)] == [
        "-2 min",
        "-1 s",
        "0 s",
    ]


OLDER = stale(reason="head is 3 h old")


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        (None, [healthy(), failed()], ["endpoint 2: NOT USABLE (connection refused)"]),
        (None, [healthy()], []),
        ([healthy()], [healthy(head=head(8))], []),
        ([stale()], [OLDER], []),  # a number in a reason is not a change
        (
            [healthy(), healthy(), healthy()],
            [failed(), stale(), failed()],
            [
                "endpoints 1 and 3: usable -> NOT USABLE (connection refused)",
                "endpoint 2: usable -> STALE (head is 2 h old)",
            ],
        ),
        ([failed()], [healthy()], ["endpoint 1: NOT USABLE -> usable"]),
        (
            [failed()],
            [failed(reason="no route to host", reason_code="no_route")],
            ["endpoint 1: still NOT USABLE (no route to host)"],
        ),
    ],
)
def test_only_changes_of_verdict_or_reason_are_reported(
    before: list[EndpointReport] | None, after: list[EndpointReport], message: list[str]
) -> None:
    old: Diagnosis | None = None if before is None else diagnosis(*before)
    assert changes(old, replace(diagnosis(*after), elapsed=1.0)) == message


def test_endpoints_are_named_by_their_positions() -> None:
    assert name_endpoints([3]) == "endpoint 3"
    assert name_endpoints([2, 5]) == "endpoints 2 and 5"
    assert name_endpoints(range(1, 7)) == "endpoints 1, 2, 3, 4, 5 and 6"
    assert name_endpoints(range(1, 51)) == "endpoints 1, 2, 3, 4, 5 and 45 more"
