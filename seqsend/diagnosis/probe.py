"""One endpoint, asked what it is; on a connection of its own, and nothing that changes a node."""

import os
import re
import time
from dataclasses import replace
from typing import Any

from seqsend.configuration import Configuration
from seqsend.diagnosis.hints import hint_for
from seqsend.diagnosis.report import EndpointReport, Samples
from seqsend.errors import EndpointFailure
from seqsend.failover.requester import Observer, Requester
from seqsend.jsonrpc import Call, parse_json
from seqsend.models import Attempt, Endpoint, ReasonCode
from seqsend.redaction import excerpt, scrub
from seqsend.transports.base import Deadline, Exchange, Fetching
from seqsend.verdicts.failure_table import Judgement
from seqsend.verdicts.node_errors import takes_transactions

_OLD = 60.0  # seconds; a rollup's blocks come every 2 s or sooner
_NOT_JSON_RPC = (200, 400, 404, 405)  # with these, REST servers answer JSON-RPC
_EXPIRES_SOON = 14  # days
_NOT_EXECUTION = "give the address of the execution endpoint (op-geth, op-reth; often port 8545)"
_QUANTITY = "0x[0-9a-fA-F]{1,64}"
_MOST_NAMES = 10  # of a certificate that are shown
_BEACON_PATH = "eth/v1/node/version"  # Ethereum's beacon API


class Probe:
    """Asks one endpoint all questions."""

    def __init__(
        self,
        configuration: Configuration,
        endpoint: Endpoint,
        *,
        count: int,
        observer: Observer | None,
    ) -> None:
        """Prepare; ``count`` is how often the time of an answer is measured."""
        self._configuration = configuration
        self._endpoint = endpoint
        self._transport = configuration.transport(endpoint)
        self._requester = Requester(
            self._transport,
            configuration.limits,
            secrets=configuration.secrets,
            observer=observer,
        )
        self._count = count

    def run(self) -> EndpointReport:
        """Ask, and return what was found out."""
        total = self._requester.start_deadline()
        by = Deadline.after(self._configuration.limits.request, "request timeout").or_sooner(total)
        try:
            report = _finished(self._question(by))
            if self._count > 1 and report.answer is not None and report.usable:
                report = replace(report, samples=self._measure(report.answer, total))
        finally:
            self._transport.close()
        return report

    def _ask(self, by: Deadline | None, method: str, *params: Any) -> tuple[Judgement, Attempt]:
        request = self._requester.prepare(Call(method, list(params)))
        exchanged = self._requester.ask(self._endpoint, [request], by)
        if exchanged.interrupt is not None:
            raise exchanged.interrupt
        (judgement,) = exchanged.judgements
        attempt = exchanged.attempt(judgement)
        if judgement.row.kind == "outage":
            # The phase that failed has no time of its own to show.
            timings = {p: s for p, s in attempt.timings.items() if p != attempt.phase}
            attempt = replace(attempt, timings=timings)
        self._requester.emit(attempt)
        return judgement, attempt

    def _question(self, by: Deadline) -> EndpointReport:
        judgement, first = self._ask(by, "eth_chainId")
        report = EndpointReport(
            self._endpoint, timings=first.timings, tls_expires=first.tls_expires, phase=first.phase
        )
        if judgement.reason_code == "no_such_method":
            return self._question_stranger(report, by)
        if judgement.row.kind != "result":
            return replace(report, reason=first.reason, hint=self._hint(first, by))
        chain_id = _quantity(judgement.result)
        if chain_id is None:
            return _wrong(report, "eth_chainId is answered with no number", _NOT_EXECUTION)
        return self._question_node(replace(report, chain_id=chain_id), by)

    def _question_node(self, report: EndpointReport, by: Deadline) -> EndpointReport:
        """Ask an endpoint that has a chain id for the rest."""
        block, _ = self._ask(by, "eth_getBlockByNumber", "latest", False)
        syncing, _ = self._ask(by, "eth_syncing")
        version, _ = self._ask(by, "web3_clientVersion")
        head = block.result if isinstance(block.result, dict) else {}
        stamp = _quantity(head.get("timestamp"))
        report = replace(
            report,
            block_number=_quantity(head.get("number")),
            head_age=None if stamp is None else max(0.0, time.time() - stamp),
            client_version=self._text(version.result),
        )
        report = self._with_transactions(report, by)
        if report.usable and isinstance(syncing.result, dict):
            progress = [_quantity(syncing.result.get(k)) for k in ("currentBlock", "highestBlock")]
            at = "" if None in progress else f" (block {progress[0]} of {progress[1]})"
            return _wrong(report, f"still syncing{at}", "wait until it has synced, or use another")
        if report.usable and report.hint is None and (report.head_age or 0.0) > _OLD:
            hint = (
                "its head has not moved for long: has the sequencer stopped? "
                "(a development chain's moves with a transaction only)"
            )
            return replace(report, hint=hint)
        return report

    def _question_stranger(self, report: EndpointReport, by: Deadline) -> EndpointReport:
        """Find out what speaks JSON-RPC and knows no eth_chainId."""
        status, _ = self._ask(by, "optimism_syncStatus")
        if isinstance(status.result, dict):
            return _wrong(report, "an op-node, which takes no transactions", _NOT_EXECUTION)
        report = self._with_transactions(report, by)
        if report.takes_transactions == "yes":
            return replace(report, hint="it serves nothing but sending")
        return _wrong(report, "it knows neither eth_chainId nor how to send", _NOT_EXECUTION)

    def _with_transactions(self, report: EndpointReport, by: Deadline) -> EndpointReport:
        """Ask with an empty transaction, which every node refuses before its pool."""
        judgement, attempt = self._ask(by, "eth_sendRawTransaction", "0x")
        found = takes_transactions(judgement.error)
        report = replace(report, takes_transactions=found, usable=found != "no")
        if found == "no":
            if attempt.reason_code != "no_such_method":
                reason = f"it takes no transactions: {attempt.reason}"
                return _wrong(report, reason, hint_for(attempt))
            return _wrong(
                report,
                "it takes no transactions (eth_sendRawTransaction is not there)",
                "a read-only or filtering endpoint: use the sequencer's own address",
            )
        if found == "inconclusive":
            said = attempt.reason or "an empty transaction is taken"
            return replace(report, hint=f"could not find out whether it takes transactions: {said}")
        return report

    def _measure(self, first: float, total: Deadline | None) -> Samples:
        answers, lost = [first], 0
        for _ in range(1, self._count):
            judgement, attempt = self._ask(total, "eth_chainId")
            timings = attempt.timings
            if judgement.row.kind == "outage":
                lost += 1
            else:
                answers.append(timings.get("send", 0.0) + timings["answer"])
        return Samples(tuple(answers), lost)

    def _text(self, value: Any) -> str | None:
        secrets = self._configuration.secrets
        return excerpt(scrub(value, secrets)) if isinstance(value, str) else None

    def _hint(self, first: Attempt, by: Deadline) -> str:
        if first.phase == "tls":
            return self._hint_at_certificate(first.reason_code, by) or hint_for(first)
        if first.http_status in _NOT_JSON_RPC and first.error is None and self._is_beacon(by):
            return f"a beacon (consensus) node answers there; {_NOT_EXECUTION}"
        return hint_for(first)

    def _hint_at_certificate(self, code: ReasonCode | None, by: Deadline) -> str | None:
        if code not in {"tls_expired", "tls_wrong_name"}:
            return None
        # Rarely needed.
        from seqsend.transports.certificates import presented_certificate
        from seqsend.transports.connections import Trust

        configuration = self._configuration
        files = Trust(configuration.cacert, configuration.client_cert, configuration.client_key)
        found = presented_certificate(self._endpoint, files, os.environ, self._until(by))
        if found is None:
            return None
        if code == "tls_expired":
            day = time.strftime("%Y-%m-%d", time.gmtime(found.expires))
            return f"its certificate expired on {day}: it must be renewed"
        names = [self._text(name) or "" for name in found.names[:_MOST_NAMES]]
        more = ["…"] if len(found.names) > _MOST_NAMES else []
        return f"its certificate is for {', '.join([*names, *more]) or 'no name'}: use such a name"

    def _is_beacon(self, by: Deadline) -> bool:
        if not isinstance(self._transport, Fetching):
            return False
        try:
            reply = self._transport.fetch(self._endpoint, _BEACON_PATH, self._until(by))
            found = parse_json(reply.body.decode())
        except (EndpointFailure, ValueError, RecursionError):
            return False
        data = found.get("data") if isinstance(found, dict) else None
        return isinstance(data, dict) and "version" in data

    def _until(self, by: Deadline) -> Exchange:
        dial_by = Deadline.after(self._configuration.limits.dial, "dial timeout").or_sooner(by)
        return Exchange(dial_by, by)


def _wrong(report: EndpointReport, reason: str, hint: str) -> EndpointReport:
    return replace(report, usable=False, reason=reason, hint=hint)


def _quantity(value: Any) -> int | None:
    """Return the number that a quantity of the execution API is, or None."""
    # Of more digits than a word has, it says nothing: it could not even be printed.
    is_quantity = isinstance(value, str) and re.fullmatch(_QUANTITY, value)
    return int(value, 16) if is_quantity else None


def _finished(report: EndpointReport) -> EndpointReport:
    """Return ``report`` without the phase where nothing is wrong, and with the last of hints."""
    if report.reason is not None:
        return report
    if report.hint is None and report.tls_expires is not None:
        days = (report.tls_expires - time.time()) / 86_400
        if days < _EXPIRES_SOON:
            return replace(report, phase=None, hint=f"its certificate expires in {days:.0f} days")
    return replace(report, phase=None)
