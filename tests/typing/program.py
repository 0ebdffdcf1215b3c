"""A typed program that uses the library: mypy checks it, nothing runs it."""

from collections.abc import Iterator
from typing import assert_type

import seqsend
from seqsend import (
    Answer,
    Attempt,
    CallEnded,
    CallError,
    Decoded,
    Delivered,
    Diagnosis,
    DryRun,
    Ended,
    Endpoint,
    EndpointReport,
    Event,
    Explanation,
    Level,
    Line,
    Metrics,
    Preferred,
    RawTransaction,
    ReasonCode,
    Role,
    RolesAsked,
    Sent,
    SequencerClient,
    State,
    Stream,
    WaitProgress,
)


def observe(event: Event) -> None:
    """Handle each kind of event."""
    match event:
        case Attempt():
            assert_type(event.reason_code, ReasonCode | None)
            assert_type(event.delivered, Delivered)
        case CallEnded():
            assert_type(event.endpoint, Endpoint | None)
        case Preferred():
            assert_type(event.endpoint, Endpoint)
        case WaitProgress():
            assert_type(event.level, Level | None)
        case RolesAsked():
            assert_type(event.roles[0].role, Role)


def send(raw: str | RawTransaction) -> str | None:
    """Send one transaction and handle each possible outcome."""
    with SequencerClient(
        ["http://seq1:8545", "http://seq2:8545"],
        headers={"X-Team": "a"},
        endpoint_headers={2: {"Authorization": "Bearer b"}},
        reads_from="http://replica:8545",
        rollup_rpc=["http://op-node1:9545", "http://op-node2:9545"],
        retry_for=15.0,
        hedge_after=0.3,
        observer=observe,
    ) as client:
        try:
            sent = client.send_raw_transaction(raw)
        except seqsend.Rejected as verdict:
            assert_type(verdict.code, int | None)
            return None
        except seqsend.DeliveryUnknown as unknown:
            return unknown.hash
        except CallError as error:
            assert_type(error.attempts, tuple[Attempt, ...])
            return None
        assert_type(sent, Sent)
        assert_type(sent.role, Role | None)
        assert_type(client.request("eth_chainId"), Answer)
        return sent.hash


def send_all(client: SequencerClient, texts: list[str]) -> Iterator[str]:
    """Send several transactions and yield the hashes of the successful ones."""
    lines = (Line(number, text) for number, text in enumerate(texts, start=1))
    stream = client.stream(batch_size=100, keep_going=True, wait=30.0, wait_for="safe")
    assert_type(stream, Stream)
    for ended in stream.run(lines):
        assert_type(ended, Ended)
        if isinstance(ended.end, Sent):
            yield ended.end.hash
        elif isinstance(ended.end, seqsend.NotSent):
            assert_type(ended.end.because, int | None)


def keep(urls: str) -> None:
    """Keep state and metrics between runs."""
    state, metrics = State("state.json", urls), Metrics("seqsend.prom")
    with SequencerClient(urls, begin_at=state.recall(), observer=state):
        state.save(patience=1.0)
    metrics.note(diagnosis := seqsend.check(urls))
    assert_type(diagnosis, Diagnosis)
    assert_type(diagnosis.endpoints, tuple[EndpointReport, ...])


def look_before(client: SequencerClient, raw: str) -> None:
    """Decode a transaction, and compare it with the chain."""
    decoded = seqsend.decode(raw)
    assert_type(decoded, Decoded)
    if decoded.content is not None:
        assert_type(decoded.content.sender, str | None)
    dry_run = client.dry_run(chain_id=10)
    assert_type(dry_run, DryRun)
    assert_type(dry_run.assess(raw), Explanation)
    try:
        client.send_raw_transaction(raw, chain_id=10, explain=True)
    except seqsend.Rejected as error:
        assert_type(error.explanation, Explanation | None)
