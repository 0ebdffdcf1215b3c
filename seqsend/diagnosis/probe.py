"""One endpoint, asked what it is, on its own connection and without changing the node."""

import os
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from seqsend.configuration import Configuration
from seqsend.diagnosis.heads import parse_head, parse_quantity
from seqsend.diagnosis.hints import hint_for, hint_of
from seqsend.diagnosis.interview import Interview, QuestionOutcome, ask_once
from seqsend.diagnosis.report import EndpointReport, Samples
from seqsend.diagnosis.strangers import Neighbourhood, recognise_by_methods
from seqsend.failover.requester import Observer, Requester
from seqsend.models import Attempt, Endpoint, FindingCode, ReasonCode
from seqsend.redaction import excerpt, scrub
from seqsend.transports.base import Deadline, Exchange
from seqsend.units import format_age
from seqsend.verdicts.node_errors import says_insufficient_funds, takes_transactions

_EXPIRES_SOON = 14 * 86_400  # seconds
_MOST_NAMES = 10  # of a certificate that are shown
_PROGRESS = ("currentBlock", "highestBlock")  # of eth_syncing
# Reasons for which an endpoint refuses an empty transaction, and will refuse any other.
_REFUSED = frozenset({"unauthorized", "not_found", "not_allowed", "redirect", "credentials"})
# After these, an endpoint may forward the next transaction.
_PASSING = frozenset({"rate_limited", "overloaded", "request_too_large"})

# Of a node that answered everything else, but not what it had to forward.
_UNANSWERED = frozenset({"timeout", "closed"})


class Probe:
    """Asks one endpoint all the questions of `check`."""

    def __init__(
        self,
        configuration: Configuration,
        endpoint: Endpoint,
        *,
        count: int,
        probe_forward: bool,
        observer: Observer | None,
    ) -> None:
        """Prepare; ``count`` is how many times the time of an answer is measured.

        With ``probe_forward``, a transaction that can never be valid is sent, too.
        """
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
        self._probe_forward = probe_forward
        self._base_fee: int | None = None
        """The head's, in wei; None if the head does not state it."""

    def run(self) -> EndpointReport:
        """Ask all questions, and return what was found out.

        Raises:
            KeyboardInterrupt: a signal came.

        """
        total = self._requester.start_deadline()
        by = Deadline.after(self._configuration.limits.request, "request timeout").or_sooner(total)
        try:
            report = _finished(self._question(Interview(self._requester, self._endpoint, by)))
            if self._count > 1 and report.answer is not None and report.usable:
                report = replace(report, samples=self._measure(report.answer, total))
        finally:
            self._transport.close()
        return report

    def _question(self, interview: Interview) -> EndpointReport:
        heard = interview.ask("eth_chainId")
        first = heard.attempt
        report = EndpointReport(
            self._endpoint, timings=first.timings, tls_expires=first.tls_expires, phase=first.phase
        )
        if first.reason_code == "no_such_method":
            return self._question_stranger(report, interview)
        if heard.judgement.row.kind != "result":
            return self._explain(report, first, interview.by)
        chain_id = parse_quantity(heard.result)
        if chain_id is None:
            return _wrong(report, "not_execution", "its answer to eth_chainId is not a number")
        report = replace(report, verdict="usable", chain_id=chain_id)
        return self._question_node(report, interview)

    def _question_node(self, report: EndpointReport, interview: Interview) -> EndpointReport:
        """Ask an endpoint that has a chain id the other questions, the most important first."""
        steps: list[Callable[[EndpointReport, Interview], EndpointReport]] = [
            self._ask_head,
            _ask_transactions,
            _ask_syncing,
            self._ask_version,
            _ask_safe,
            _ask_finalized,
        ]
        if self._probe_forward:
            steps.append(self._ask_forward)
        for step in steps:
            if interview.is_over:
                break
            report = step(report, interview)
        total = 1 + len(steps)
        if report.reason is None and interview.is_over and interview.answered < total:
            said = f"{interview.answered} of {total} questions answered ({interview.by.name})"
            return _finding(report, "slow", f"slow: {said}")
        return report

    def _question_stranger(self, report: EndpointReport, interview: Interview) -> EndpointReport:
        """Find out what speaks JSON-RPC but does not have eth_chainId."""
        stranger = recognise_by_methods(interview)
        if stranger is not None:
            return _wrong(report, *stranger)
        report = _ask_transactions(replace(report, verdict="usable"), interview)
        if report.takes_transactions == "yes":
            return replace(report, hint="it only takes transactions")
        return _wrong(
            report, "not_execution", "it has neither eth_chainId nor eth_sendRawTransaction"
        )

    def _ask_head(self, report: EndpointReport, interview: Interview) -> EndpointReport:
        heard = interview.ask("eth_getBlockByNumber", "latest", False)
        block = heard.result
        head = parse_head(block, time.time())
        if head is not None:
            self._base_fee = parse_quantity(block.get("baseFeePerGas"))
        report = replace(report, head=head)
        # A filter may let only sending through, which says nothing about the head.
        if head is not None or heard.attempt.reason_code == "no_such_method" or interview.is_over:
            return report
        said = heard.attempt.reason or "its latest block is not a block"
        return _finding(report, "head_unknown", f"head not known: {said}")

    def _ask_version(self, report: EndpointReport, interview: Interview) -> EndpointReport:
        return replace(
            report, client_version=self._text(interview.ask("web3_clientVersion").result)
        )

    def _ask_forward(self, report: EndpointReport, interview: Interview) -> EndpointReport:
        if not report.usable or report.chain_id is None:
            return report
        from seqsend.diagnosis.forward import probe_transaction  # only if asked for

        raw = probe_transaction(report.chain_id, self._base_fee)
        heard = interview.ask("eth_sendRawTransaction", raw)
        if interview.is_over and heard.attempt.elapsed < self._configuration.limits.request / 2:
            return report  # the other questions took the time, which says nothing about forwarding
        return _with_forward(report, heard)

    def _measure(self, first: float, total: Deadline | None) -> Samples:
        answers, lost = [first], 0
        for _ in range(1, self._count):
            heard = ask_once(self._requester, self._endpoint, total, "eth_chainId")
            if heard.is_failure:
                lost += 1
            else:
                answers.append(_answer_time(heard.attempt))
        return Samples(tuple(answers), lost)

    def _text(self, value: Any) -> str | None:
        secrets = self._configuration.secrets
        return excerpt(scrub(value, secrets)) if isinstance(value, str) else None

    def _explain(self, report: EndpointReport, first: Attempt, by: Deadline) -> EndpointReport:
        """Return ``report`` with what is wrong with an endpoint that gave no chain id."""
        code, hint = first.reason_code, None
        report = replace(report, reason=first.reason, reason_code=code)
        if first.phase == "tls":
            hint = self._hint_at_certificate(code, by)
        elif first.phase == "answer":
            neighbourhood = Neighbourhood(self._configuration, self._transport, by)
            found = neighbourhood.recognise(first)
            if found is not None:
                return replace(report, reason_code=found, hint=hint_of(found))
            title = neighbourhood.page_title(first)
            hint = title and f"a web server answers there ({title}): check host, port and path"
        return replace(report, hint=hint or hint_for(first))

    def _hint_at_certificate(self, code: ReasonCode | None, by: Deadline) -> str | None:
        if code not in {"tls_expired", "tls_wrong_name"}:
            return None
        # Rarely needed.
        from seqsend.transports.certificates import presented_certificate
        from seqsend.transports.connections import Trust

        configuration = self._configuration
        files = Trust(configuration.cacert, configuration.client_cert, configuration.client_key)
        dial_by = Deadline.after(configuration.limits.dial, "dial timeout").or_sooner(by)
        exchange = Exchange(dial_by, by)
        found = presented_certificate(self._endpoint, files, os.environ, exchange)
        if found is None:
            return None
        if code == "tls_expired":
            day = time.strftime("%Y-%m-%d", time.gmtime(found.expires))
            return f"its certificate expired on {day}: it must be renewed"
        names = [self._text(name) or "" for name in found.names[:_MOST_NAMES]]
        more = ["…"] if len(found.names) > _MOST_NAMES else []
        return (
            f"use a name that its certificate covers: {', '.join([*names, *more]) or 'it has none'}"
        )


def _ask_transactions(report: EndpointReport, interview: Interview) -> EndpointReport:
    """Ask with an empty transaction, which every node refuses before its pool."""
    heard = interview.ask("eth_sendRawTransaction", "0x")
    found = takes_transactions(heard.judgement.error)
    code, said = heard.attempt.reason_code, heard.attempt.reason
    if code == "timeout" and interview.is_over:
        return report  # it is slow, which the report says as a whole
    if code in _REFUSED:
        found = "no"
    report = replace(report, takes_transactions=found)
    if found == "no":
        if code is None or code == "no_such_method":
            said = "it takes no transactions (it has no eth_sendRawTransaction)"
            return _wrong(report, "no_transactions", said)
        return _wrong(report, code, f"it takes no transactions: {said}")
    if found == "inconclusive":
        said = said or "it accepted an empty transaction"
        return replace(report, hint=f"could not find out whether it takes transactions: {said}")
    return report


def _ask_syncing(report: EndpointReport, interview: Interview) -> EndpointReport:
    progress = interview.ask("eth_syncing").result
    if not report.usable or not isinstance(progress, dict):
        return report
    numbers = [parse_quantity(progress.get(name)) for name in _PROGRESS]
    at = "" if None in numbers else f" (block {numbers[0]} of {numbers[1]})"
    return _wrong(report, "syncing", f"still syncing{at}")


def _ask_safe(report: EndpointReport, interview: Interview) -> EndpointReport:
    block = interview.ask("eth_getBlockByNumber", "safe", False).result
    return replace(report, safe=parse_head(block, time.time()))


def _ask_finalized(report: EndpointReport, interview: Interview) -> EndpointReport:
    block = interview.ask("eth_getBlockByNumber", "finalized", False).result
    return replace(report, finalized=parse_head(block, time.time()))


def _with_forward(report: EndpointReport, heard: QuestionOutcome) -> EndpointReport:
    """Return ``report`` with what the answer to `probe_transaction` says.

    If the answer is "insufficient funds", a node that knows the balances has seen it.
    """
    error, code, said = heard.judgement.error, heard.attempt.reason_code, heard.attempt.reason
    if heard.judgement.row.kind == "verdict" and error and says_insufficient_funds(error):
        return replace(report, forward=_answer_time(heard.attempt))
    if heard.is_failure and code is not None and code not in _PASSING:
        cause = "forward_failed" if code in _UNANSWERED else code
        return _wrong(report, cause, f"it fails to forward to the sequencer: {said}")
    said = said or "it accepted a transaction that nobody can pay for"
    return replace(report, hint=f"it is not proven that it forwards to the sequencer: {said}")


def _answer_time(attempt: Attempt) -> float:
    return attempt.timings.get("send", 0.0) + attempt.timings.get("answer", 0.0)


def _wrong(report: EndpointReport, code: ReasonCode | FindingCode, reason: str) -> EndpointReport:
    return replace(_finding(report, code, reason), verdict="NOT USABLE")


def _finding(report: EndpointReport, code: ReasonCode | FindingCode, reason: str) -> EndpointReport:
    return replace(report, reason=reason, reason_code=code, hint=hint_of(code))


def _finished(report: EndpointReport) -> EndpointReport:
    """Return ``report``, if nothing is wrong, without a phase and with a last hint."""
    if report.reason is not None:
        return report
    if report.hint is None and report.tls_expires is not None:
        left = report.tls_expires - time.time()
        if left < _EXPIRES_SOON:
            hint = f"its certificate expires in {format_age(left)}"
            return replace(report, phase=None, hint=hint)
    return replace(report, phase=None)
