"""Sends a group of transactions, and reports how each ended."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from seqsend.errors import Rejected
from seqsend.failover.loop import Failover
from seqsend.failover.submission import Submission
from seqsend.models import NotSent
from seqsend.sending.look_ups import look_up
from seqsend.sending.outgoing import End, Outgoing, call_for, sync_call_for
from seqsend.sending.stream import GroupEnd
from seqsend.sending.transaction import RawTransaction
from seqsend.transports.base import Deadline

_LEAST_TIME = 0.25  # seconds before a deadline; loading the modules that explain takes as long

_log = logging.getLogger("seqsend")


class Sender:
    """Sends transactions in groups; safe to share between threads."""

    def __init__(
        self,
        failover: Failover,
        conditions: Mapping[str, Any] | None = None,
        *,
        explains: bool = False,
        sync: bool = False,
    ) -> None:
        """``conditions`` apply to all transactions.

        ``explains``: compare a rejected transaction with the chain (`Rejected.explanation`).
        ``sync``: send by the call that returns the receipt (EIP-7966).
        """
        self._failover = failover
        self._sync = sync
        self._conditions = conditions
        self._explains = explains

    def _submission(self, transaction: RawTransaction) -> Submission:
        call = call_for(transaction, self._conditions)
        if not self._sync:
            return self._failover.submission(call)
        return self._failover.submission(sync_call_for(transaction), fallback=call)

    def again(self, transaction: RawTransaction, round: int) -> Submission:  # noqa: A002 - as in Attempt
        """Return the submission that sends ``transaction`` once more, in ``round``."""
        call = call_for(transaction, self._conditions)
        return self._failover.submission(call, round=round)

    def send(self, transactions: Sequence[RawTransaction]) -> GroupEnd:
        """Send ``transactions``; return how each ended.

        Several travel in JSON-RPC batches as large as the endpoint takes.

        Raises:
            UsageError: a transaction cannot be encoded; nothing was sent.

        """
        failover = self._failover
        by = failover.requester.start_deadline()
        group = [Outgoing(each, self._submission(each)) for each in transactions]
        interrupted = False
        by_submission = {each.submission: each for each in group}

        def settle(submissions: Sequence[Submission]) -> list[Submission]:
            """Look up what is in doubt after a round; return what is not found."""
            open_ones = [by_submission[submission] for submission in submissions]
            look_up(failover, [each for each in open_ones if each.needs_look_up], by)
            return [each.submission for each in open_ones if each.found_at is None]

        try:
            failover.run_rounds(list(by_submission), by, settle)
        except KeyboardInterrupt:
            interrupted = True
        ends = [each.end() for each in group]
        for each, end in zip(group, ends, strict=True):
            if not isinstance(end, NotSent):
                failover.notify_end(each.submission, end)
        if self._explains and not interrupted:
            ends, interrupted = self._explain(transactions, ends, by)
        return GroupEnd(ends, interrupted, by)

    def _explain(
        self, transactions: Sequence[RawTransaction], ends: list[End], by: Deadline | None
    ) -> tuple[list[End], bool]:
        """Return ``ends`` with explanations added, and whether a signal came meanwhile.

        All explanations together take no longer than one attempt. Whatever goes wrong, the verdicts
        stay.
        """
        rejected = [(at, end) for at, end in enumerate(ends) if isinstance(end, Rejected)]
        if not rejected or (by is not None and by.remaining < _LEAST_TIME):
            return ends, False
        until = self._failover.requester.start_round(by)
        explained = list(ends)
        try:
            from seqsend.sending.explaining import explain  # loads modules that no other end needs

            for at, end in rejected:
                explanation = explain(self._failover, transactions[at], until, end.endpoint)
                explained[at] = end.explained(explanation)
        except KeyboardInterrupt:
            return explained, True
        except Exception:  # noqa: BLE001 - whatever it is
            _log.exception("a rejection could not be explained")
        return explained, False
