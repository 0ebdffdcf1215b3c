"""The diagnosis: what is wrong with each endpoint, and whether they agree."""

import threading
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace

from seqsend import waiting
from seqsend.arguments import check_arguments
from seqsend.configuration import (
    DIAL_TIMEOUT,
    MAX_RESPONSE_SIZE,
    REQUEST_TIMEOUT,
    configure,
)
from seqsend.diagnosis.probe import Probe
from seqsend.diagnosis.report import Diagnosis, EndpointReport, heads_by_chain
from seqsend.errors import UsageError
from seqsend.failover.requester import Observer

DEFAULT_MAX_LAG = 10
"""Blocks by which the heads of one chain may lie apart."""


def check(
    endpoints: str | Iterable[str],
    *,
    dial_timeout: float = DIAL_TIMEOUT,
    request_timeout: float = REQUEST_TIMEOUT,
    deadline: float | None = None,
    headers: Mapping[str, str] | None = None,
    endpoint_headers: Mapping[int, Mapping[str, str]] | None = None,
    cacert: str | None = None,
    client_cert: str | None = None,
    client_key: str | None = None,
    max_response_size: int = MAX_RESPONSE_SIZE,
    chain_id: int | None = None,
    max_lag: int = DEFAULT_MAX_LAG,
    count: int = 1,
    observer: Observer | None = None,
) -> Diagnosis:
    """Ask all endpoints side by side what they are, and compare what they say.

    Nothing that is asked changes a node: whether it takes transactions is asked with an empty one,
    which every node refuses before its pool.

    Args:
        endpoints: as for `seqsend.SequencerClient`, and so all up to max_response_size.
        dial_timeout: seconds for DNS, TCP over all addresses, and TLS, together.
        request_timeout: seconds for all questions to one endpoint together.
        deadline: seconds for everything, measurements included.
        headers: sent to every endpoint; their values are never shown.
        endpoint_headers: by position in the list, counted from 1: sent to that endpoint alone.
        cacert: path of the CA certificates to trust for https, instead of the system's.
        client_cert: path of the certificate to show to https endpoints that ask for one.
        client_key: path of its key, if that is not in the same file.
        max_response_size: bytes, after decompression.
        chain_id: the only one that is right; None to compare the endpoints with each other.
        max_lag: blocks by which the heads of one chain may differ.
        count: how often the time of an answer is measured.
        observer: is called with each `Attempt` as it ends, in any thread.

    Raises:
        UsageError: an argument is wrong.

    """
    check_arguments(count=count, max_lag=max_lag, chain_id=chain_id, observer=observer)
    if count < 1:
        raise UsageError(f"count is {count}, and must be 1 or more", example="10")
    if max_lag < 0:
        raise UsageError(f"max_lag is {max_lag}, not a number of blocks", example="10")
    configuration = configure(
        endpoints,
        dial_timeout=dial_timeout,
        request_timeout=request_timeout,
        deadline=deadline,
        headers=headers,
        endpoint_headers=endpoint_headers,
        cacert=cacert,
        client_cert=client_cert,
        client_key=client_key,
        max_response_size=max_response_size,
    )
    probes = [
        Probe(configuration, endpoint, count=count, observer=observer)
        for endpoint in configuration.endpoints
    ]
    # Not before: the time that the first probe takes to load modules is not the endpoint's.
    started = time.monotonic()
    reports = _side_by_side(probes)
    return Diagnosis(compared(reports, chain_id, max_lag), time.monotonic() - started)


def _side_by_side(probes: list[Probe]) -> list[EndpointReport]:
    with waiting.Mailbox[tuple[int, EndpointReport | BaseException]]() as done:

        def run(position: int) -> None:
            try:
                done.put((position, probes[position].run()))
            except BaseException as error:  # noqa: BLE001 - raised again, in the thread that waits
                done.put((position, error))

        for position in range(len(probes)):
            try:
                # A daemon: a signal ends the process, whatever is still waited for.
                threading.Thread(target=run, args=(position,), daemon=True).start()
            except RuntimeError:  # no thread is left on this machine: then one after the other
                run(position)
        reports: dict[int, EndpointReport] = {}
        for _ in probes:
            position, found = done.take(None)
            if isinstance(found, BaseException):
                raise found
            reports[position] = found
    return [reports[position] for position in sorted(reports)]


def compared(
    reports: list[EndpointReport], chain_id: int | None, max_lag: int
) -> tuple[EndpointReport, ...]:
    """Return ``reports`` with what is wrong with them in comparison. Pure."""
    judged = [_judge_chain(report, reports, chain_id) for report in reports]
    heads = heads_by_chain(judged)
    return tuple(_judge_head(report, heads, max_lag) for report in judged)


def _judge_chain(
    report: EndpointReport, reports: list[EndpointReport], chain_id: int | None
) -> EndpointReport:
    if report.chain_id is None or report.reason is not None:
        return report
    if chain_id is not None:
        if report.chain_id == chain_id:
            return report
        return replace(
            report,
            usable=False,
            phase="answer",
            reason=f"chain id {report.chain_id} instead of {chain_id}",
            hint="the address of another chain: check host, port and path",
        )
    answered = [r for r in reports if r.chain_id is not None]
    # The first of those that occur most often: so says Counter.
    usual = Counter(r.chain_id for r in answered).most_common(1)[0][0]
    if report.chain_id == usual:
        return report
    other = next(r.endpoint.index for r in answered if r.chain_id == usual)
    return replace(
        report,
        phase="answer",
        reason=f"chain id {report.chain_id}, where endpoint {other} has {usual}",
        hint="one of the two is the address of another chain; --chain-id says which is right",
    )


def _judge_head(
    report: EndpointReport, heads: Mapping[int, list[int]], max_lag: int
) -> EndpointReport:
    if report.chain_id is None or report.block_number is None or report.reason is not None:
        return report
    behind = max(heads[report.chain_id]) - report.block_number
    if behind <= max_lag:
        return report
    return replace(
        report,
        phase="answer",
        reason=f"{behind} blocks behind",
        hint="it follows slowly or has stopped: compare again in a while (--watch 2s)",
    )
