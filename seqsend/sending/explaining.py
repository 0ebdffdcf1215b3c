"""Asks an endpoint, in one round, for the chain state to compare a transaction with."""

import re
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from seqsend.errors import UsageError
from seqsend.explanation import ChainState, Content, Decoded, Explanation
from seqsend.failover.loop import Failover
from seqsend.failover.requester import Requester
from seqsend.jsonrpc import Call
from seqsend.models import Attempt, Endpoint
from seqsend.sending import comparison
from seqsend.sending.decoding import decode
from seqsend.sending.stream import Parse
from seqsend.sending.transaction import RawTransaction, parse_raw_transaction
from seqsend.transports.base import Deadline

_QUANTITY = re.compile("0x[0-9a-fA-F]{1,64}")
_HASH = re.compile("0x[0-9a-fA-F]{64}")


def explain(
    failover: Failover, transaction: RawTransaction, by: Deadline, answered: Endpoint | None
) -> Explanation:
    """Return why ``transaction`` was rejected by the endpoint that ``answered``.

    Asks the readers, then that endpoint, then the others, until one knows the sender's nonce. All
    questions together end by ``by``. What no endpoint answers is left out, and is not an error.

    Raises:
        KeyboardInterrupt: a signal came.

    """
    decoded = decode(transaction)
    chain, failures = _ask_about(failover, decoded, by, answered)
    return replace(comparison.explain(decoded, chain), failures=failures)


ChainAnswer = tuple[ChainState | None, tuple[Attempt, ...]]
"""The state from the first endpoint that knows the sender, and the attempts that failed before."""


def ask_in_one_round(failover: Failover, decoded: Decoded) -> ChainAnswer:
    """Return the chain's state, asking the readers first; all of it takes at most one round.

    Raises:
        KeyboardInterrupt: a signal came.

    """
    requester = failover.requester
    by = requester.start_round(requester.start_deadline())
    return _ask_about(failover, decoded, by, None)


class DryRun:
    """Compares transactions with the chain, in order, without sending them.

    A transaction that passes counts as sent when later ones are compared.
    """

    def __init__(
        self, ask: Callable[[Decoded], ChainAnswer], parse: Parse = parse_raw_transaction
    ) -> None:
        """``ask`` asks the chain about a transaction."""
        self._ask = ask
        self._parse = parse
        self._planned: dict[str, tuple[int, int]] = {}
        """Sender → its next nonce and the wei it has spent, if all that passed were sent."""

    def assess(self, raw: str) -> Explanation:
        """Return the first reason against sending a transaction, or that none was found.

        Raises:
            UsageError: ``raw`` must not be sent, or its type is unknown.
            KeyboardInterrupt: a signal came.

        """
        decoded = decode(self._parse(raw))
        if not decoded.is_known_type:
            raise UsageError(
                f"--dry-run: {decoded.problem}", example="0x02f86c…, a transaction of type 0 to 4"
            )
        chain, failures = self._ask(decoded)
        if chain is not None and decoded.content is not None:
            chain = self._as_planned(decoded.content, chain)
        found = replace(comparison.explain(decoded, chain), failures=failures)
        if decoded.content is not None and chain is not None and not found.speaks_against:
            self._plan(decoded.content, chain)
        return found

    def _as_planned(self, content: Content, chain: ChainState) -> ChainState:
        """Return ``chain`` as it will be once the earlier transactions are in it."""
        if content.sender not in self._planned:
            return chain
        following, spent = self._planned[content.sender]
        return replace(
            chain,
            pending_nonce=max(following, chain.pending_nonce or 0),
            balance=None if chain.balance is None else max(0, chain.balance - spent),
        )

    def _plan(self, content: Content, chain: ChainState) -> None:
        if content.sender is None or chain.is_there:
            return
        following, spent = self._planned.get(content.sender, (0, 0))
        self._planned[content.sender] = (
            max(following, content.nonce + 1),
            spent + comparison.most_it_can_cost(content),
        )


def _ask_about(
    failover: Failover, decoded: Decoded, by: Deadline, answered: Endpoint | None
) -> ChainAnswer:
    content = decoded.content
    if content is None or content.sender is None:
        return None, ()  # what is wrong with it needs no chain
    calls = _questions(content, content.sender, decoded.hash)
    order = failover.reading_order(calls["next_nonce"].method)
    places = dict.fromkeys((*failover.readers, *([answered] if answered else ()), *order))
    best, failures = None, []
    for endpoint in places:
        if by.remaining <= 0:
            break
        said, failure = _ask(failover.requester, endpoint, calls, by)
        if failure is not None:
            failures.append(failure)
        state = _read(endpoint, said, decoded.hash) if said else None
        if state is not None and state.next_nonce is not None:
            return state, tuple(failures)
        best = best or state
    return best, tuple(failures)


def _questions(content: Content, sender: str, transaction_hash: str) -> Mapping[str, Call]:
    return {
        "chain_id": Call("eth_chainId", []),
        "next_nonce": Call("eth_getTransactionCount", [sender, "latest"]),
        "pending_nonce": Call("eth_getTransactionCount", [sender, "pending"]),
        "balance": Call("eth_getBalance", [sender, "latest"]),
        "block": Call("eth_getBlockByNumber", ["latest", False]),
        # Few nodes have this method (reth, erigon, anvil); the others answer that they lack it.
        "same_nonce": Call("eth_getTransactionBySenderAndNonce", [sender, hex(content.nonce)]),
        "itself": Call("eth_getTransactionByHash", [transaction_hash]),
    }


def _ask(
    requester: Requester, endpoint: Endpoint, calls: Mapping[str, Call], by: Deadline
) -> tuple[dict[str, Any], Attempt | None]:
    """Return one endpoint's answers, and the attempt that failed, if one did.

    All calls go in one batch; those that are not answered in it are sent one by one.
    """
    groups = deque([tuple(calls)])
    said: dict[str, Any] = {}
    while groups and by.remaining > 0:
        group = groups.popleft()
        exchanged = requester.ask(endpoint, [requester.prepare(calls[name]) for name in group], by)
        if exchanged.interrupt is not None:
            raise exchanged.interrupt from None
        for name, judgement in zip(group, exchanged.judgements, strict=True):
            if judgement.row.kind == "again":
                groups.append((name,))
            elif judgement.row.kind == "result":
                said[name] = judgement.result
        if exchanged.failed:
            (judgement, *_) = exchanged.judgements
            # These calls only read: no transaction was sent that could have been delivered.
            only_asked = judgement._replace(row=judgement.row._replace(delivered="no"))
            failure = exchanged.attempt(only_asked, "outage")
            requester.emit(failure)
            return said, failure
    return said, None


def _read(endpoint: Endpoint, said: Mapping[str, Any], transaction_hash: str) -> ChainState:
    block = said.get("block")
    block = block if isinstance(block, dict) else {}
    hashes = {name: _hash_in(said.get(name)) for name in ("same_nonce", "itself")}
    is_there = transaction_hash in hashes.values()
    return ChainState(
        endpoint,
        chain_id=_quantity(said.get("chain_id")),
        next_nonce=_quantity(said.get("next_nonce")),
        pending_nonce=_quantity(said.get("pending_nonce")),
        balance=_quantity(said.get("balance")),
        base_fee=_quantity(block.get("baseFeePerGas")),
        block_gas_limit=_quantity(block.get("gasLimit")),
        # Blocks have had this field (EIP-7685) since the fork that brought EIP-7623.
        has_data_floor="requestsHash" in block,
        same_nonce=None if is_there else hashes["same_nonce"],
        is_there=is_there,
    )


def _quantity(value: Any) -> int | None:
    """Return the number in a quantity of the execution API; None if ``value`` is not one."""
    return int(value, 16) if isinstance(value, str) and _QUANTITY.fullmatch(value) else None


def _hash_in(found: Any) -> str | None:
    """Return the hash in a transaction object, or None."""
    shown = found.get("hash") if isinstance(found, dict) else None
    return shown.lower() if isinstance(shown, str) and _HASH.fullmatch(shown) else None
