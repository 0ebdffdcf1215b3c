"""`check`: all endpoints are asked side by side, and what they say is compared."""

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from seqsend import threads
from seqsend.arguments import check_arguments
from seqsend.configuration import (
    DIAL_TIMEOUT,
    MAX_RESPONSE_SIZE,
    REQUEST_TIMEOUT,
    Configuration,
    check_times,
    configure,
)
from seqsend.diagnosis.judging import MAX_AGE, MAX_LAG, Limits, judge
from seqsend.diagnosis.probe import Probe
from seqsend.diagnosis.report import Diagnosis, EndpointReport
from seqsend.errors import UsageError
from seqsend.failover.requester import Observer
from seqsend.models import EndpointRole

_log = logging.getLogger("seqsend")

ReportObserver = Callable[[EndpointReport], None]
"""Called with the report on each endpoint as it comes."""


def check(
    endpoints: str | Iterable[str],
    *,
    dial_timeout: float = DIAL_TIMEOUT,
    request_timeout: float = REQUEST_TIMEOUT,
    deadline: float | None = None,
    headers: Mapping[str, str] | None = None,
    endpoint_headers: Mapping[int, Mapping[str, str]] | None = None,
    rollup_rpc: str | Iterable[str] | None = None,
    cacert: str | None = None,
    client_cert: str | None = None,
    client_key: str | None = None,
    max_response_size: int = MAX_RESPONSE_SIZE,
    chain_id: int | None = None,
    max_lag: int = MAX_LAG,
    max_age: float | None = MAX_AGE,
    max_safe_lag: float | None = None,
    probe_forward: bool = False,
    count: int = 1,
    observer: Observer | None = None,
    on_report: ReportObserver | None = None,
) -> Diagnosis:
    """Ask all endpoints side by side what they are, and compare what they say.

    No question changes a node: to find out whether it takes transactions, it is sent an empty one,
    which every node refuses before its pool.

    Args:
        endpoints: as for `seqsend.SequencerClient`, like all others up to max_response_size.
        dial_timeout: seconds for DNS, TCP over all addresses, and TLS, together.
        request_timeout: seconds for all questions to one endpoint together.
        deadline: seconds for everything, measurements included.
        headers: name → value, sent to every endpoint; the values are never shown.
        endpoint_headers: by position in the list, counted from 1: sent to that endpoint alone.
        rollup_rpc: URLs of an op-node or op-conductor for each endpoint, in the same order, which
            are asked for the endpoint's role.
        cacert: path of the CA certificates to trust for https, instead of the system's.
        client_cert: path of the certificate to show to https endpoints that ask for one.
        client_key: path of its key, if that is not in the same file.
        max_response_size: bytes, after decompression.
        chain_id: the required chain id; None to compare the endpoints with each other.
        max_lag: blocks by which the heads of one chain may differ.
        max_age: greatest age of a head, in seconds; None for no limit. It does not apply to nodes
            that are known to mine on demand.
        max_safe_lag: seconds that a safe head may lie behind the head; None for no limit.
        probe_forward: also send a transaction that can never be valid, to see whether a replica's
            way to the sequencer works: see `seqsend.diagnosis.forward`.
        count: how many times the time of an answer is measured, 1 or more.
        observer: called with each `Attempt` as it ends, in any thread.
        on_report: called with the report on each endpoint as it comes, in the caller's thread,
            before the endpoints are compared.

    Raises:
        UsageError: an argument is wrong.

    """
    check_arguments(
        count=count,
        max_lag=max_lag,
        max_age=max_age,
        max_safe_lag=max_safe_lag,
        probe_forward=probe_forward,
        chain_id=chain_id,
        observer=observer,
        on_report=on_report,
    )
    if count < 1:
        raise UsageError(f"count is {count}, but must be 1 or more", example="10")
    if max_lag < 0:
        raise UsageError(f"max_lag is {max_lag}, not a number of blocks", example="10")
    check_times(max_age=max_age, max_safe_lag=max_safe_lag)
    configuration = configure(
        endpoints,
        dial_timeout=dial_timeout,
        request_timeout=request_timeout,
        deadline=deadline,
        headers=headers,
        endpoint_headers=endpoint_headers,
        rollup_rpc=rollup_rpc,
        cacert=cacert,
        client_cert=client_cert,
        client_key=client_key,
        max_response_size=max_response_size,
    )
    probes = [
        Probe(configuration, endpoint, count=count, probe_forward=probe_forward, observer=observer)
        for endpoint in configuration.endpoints
    ]
    # Only now: the time that the first probe takes to load modules must not count.
    started = time.monotonic()
    jobs: list[Callable[[], Any]] = [
        *(probe.run for probe in probes),
        partial(_roles, configuration),
    ]

    def report(found: Any) -> None:
        if on_report is None or not isinstance(found, EndpointReport):
            return
        try:
            on_report(found)
        except Exception:  # noqa: BLE001 - whatever it is, the other endpoints go on
            _log.exception("the observer of reports failed")

    *reports, roles = _side_by_side(jobs, report)
    limits = Limits(chain_id, max_lag, max_age, max_safe_lag)
    return Diagnosis(judge(reports, limits, roles), time.monotonic() - started)


def _roles(configuration: Configuration) -> tuple[EndpointRole, ...] | None:
    """Return the roles of the endpoints; None if there are no op-nodes to ask."""
    roles = configuration.roles()
    if roles is None:
        return None
    try:
        return roles.ask_all(configuration.limits.total).roles
    finally:
        roles.close()


def _side_by_side(jobs: Sequence[Callable[[], Any]], on_result: Callable[[Any], None]) -> list[Any]:
    """Do all ``jobs`` at the same time; return what they return, in their order.

    ``on_result`` is called with each as it comes.
    """
    try:
        done = threads.Mailbox[threads.Delivery[Any]]()
    except OSError:  # no descriptor is left on this machine, as each job will report
        return [job() for job in jobs]
    with done:
        threads.begin_all(jobs, done, "seqsend-check")
        results: dict[int, Any] = {}
        for _ in jobs:
            position, found = done.take(None)
            if isinstance(found, BaseException):
                raise found
            results[position] = found
            on_result(found)
    return [results[position] for position in sorted(results)]
