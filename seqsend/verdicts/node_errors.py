"""What nodes, proxies and providers say: is that a verdict, or "not from me"? Pure.

Texts are taken apart (`words.unwrap`) and compared, layer by layer, with the words of verdicts
(`verdict_words`) and with those of endpoints that leave the judgement to others (`kinds`).
"""

from typing import NamedTuple

from seqsend.models import Delivered, JsonRpcError, ReasonCode, TakesTransactions
from seqsend.verdicts.http_statuses import JUDGED_BY_ERROR, status_delivered, status_reason_code
from seqsend.verdicts.kinds import FORWARD_FAILED, KINDS, NODE_TIMEOUT
from seqsend.verdicts.methods import SEND_METHODS
from seqsend.verdicts.verdict_words import INSUFFICIENT_FUNDS, Fate, fate_in
from seqsend.verdicts.words import Layer, plain, says, unwrap


class Excuse(NamedTuple):
    """An endpoint's statement that the request is not its own to judge."""

    reason_code: ReasonCode
    delivered: Delivered
    """Whether the endpoint can have passed the request on to the sequencer."""


def _kind_of(layer: Layer) -> Excuse | None:
    kind = next((k for k in KINDS if layer.code in k.codes or says(layer.words, k.phrases)), None)
    excuse = Excuse(kind.reason_code, kind.delivered) if kind else None
    if layer.status is None or (excuse is not None and excuse.delivered == "no"):
        return excuse
    delivered = status_delivered(layer.status)
    if excuse is not None and delivered == "unknown":
        return excuse
    return Excuse("forward_failed", delivered)


class _Reading(NamedTuple):
    excuse: Excuse | None
    """None for a verdict."""
    fate: Fate | None = None
    """The fate that a verdict in known words states."""


def _read(error: JsonRpcError) -> _Reading:
    """Return what an error says, its innermost words first."""
    if says_not_mined_yet(error):
        return _Reading(None, "known")
    *outer, inner = unwrap(error)
    for layer in outer:  # a contract can say anything, even what looks like a forward's words
        fate = fate_in(layer.words)
        if fate is not None:
            return _Reading(None, fate)
    fate = fate_in(inner.words)
    excuse = None if fate else _kind_of(inner)
    status = next((layer.status for layer in reversed(outer) if layer.status is not None), None)
    if status is not None and status not in JUDGED_BY_ERROR:
        return _read_with_status(status, fate, excuse)
    if fate is None and excuse is None and not inner.is_answer:
        excuse = _outer_excuse(outer)
    elif excuse is not None:
        excuse = _as_forwarded(excuse, outer)
    return _Reading(excuse, fate)


def _outer_excuse(outer: list[Layer]) -> Excuse | None:
    """Return the innermost excuse around meaningless words; search up to the first answer."""
    for layer in reversed(outer):
        excuse = _kind_of(layer._replace(code=None))
        if excuse is not None or layer.is_answer:
            return excuse
    return None


def _read_with_status(status: int, fate: Fate | None, excuse: Excuse | None) -> _Reading:
    """Return what words inside an HTTP error mean; usually the status outweighs them.

    Only known words of a verdict, or an excuse that rules out delivery, outweigh a 5xx, which a
    proxy may have added.
    """
    delivered = status_delivered(status)
    if excuse is not None and "no" in (excuse.delivered, delivered):
        return _Reading(excuse._replace(delivered="no"))
    if fate is not None and delivered != "no":
        return _Reading(None, fate)
    code = status_reason_code(status) if delivered == "no" else "forward_failed"
    return _Reading(Excuse(code, delivered))


def _as_forwarded(excuse: Excuse, outer: list[Layer]) -> Excuse:
    """Return ``excuse``, as `forward_failed` if its timeout happened in a forward."""
    if excuse.reason_code != "node_timeout":
        return excuse
    forwarded = any(says(layer.words, FORWARD_FAILED) for layer in outer)
    return excuse._replace(reason_code="forward_failed") if forwarded else excuse


def excuse_for(error: JsonRpcError) -> Excuse | None:
    """Return the "not from me" in ``error``; None if it is a verdict."""
    return _read(error).excuse


def is_final(error: JsonRpcError, method: str) -> bool:
    """Return whether the words of a verdict on ``method`` say that nobody took the transaction.

    If errors are strict, a "not from me" that says it was not passed on counts as well. After any
    other verdict, even in unknown words, only a look-up by hash can tell.
    """
    excuse, fate = _read(error)
    refused = excuse is not None and excuse.delivered == "no"
    return method in SEND_METHODS and (fate == "final" or refused)


def says_already_known(error: JsonRpcError) -> bool:
    """Return whether a verdict says that the node has this very transaction."""
    return _read(error).fate == "known"


def says_nonce_spent(error: JsonRpcError) -> bool:
    """Return whether a verdict says that the nonce is taken, by this transaction or another."""
    return _read(error).fate == "spent"


def says_insufficient_funds(error: JsonRpcError) -> bool:
    """Return whether a verdict says that the sender cannot pay, whatever words surround that."""
    return any(says(layer.words, INSUFFICIENT_FUNDS) for layer in unwrap(error))


_NOT_MINED_YET = 4  # EIP-7966, "Error codes": taken, and no receipt within the time given
_NOT_YET = (r"(?:not|wasn't|hasn't|isn't) (?:\S+ ){0,2}?(?:processed|mined|included|confirmed)\b",)


def says_not_mined_yet(error: JsonRpcError) -> bool:
    """Return whether ``eth_sendRawTransactionSync`` says: taken, not mined in time (EIP-7966)."""
    words = plain(error.message)
    return error.code == _NOT_MINED_YET and (
        fate_in(words) == "known" or says(words, _NOT_YET + NODE_TIMEOUT)
    )


# How an empty transaction ("0x") is refused, before the pool, by nodes that take transactions:
# go-ethereum core/types/transaction.go errShortTypedTx (op-geth, nitro, erigon; proxyd passes it on
# as -32602), and "EOF" before; reth EthApiError::EmptyRawTransactionData; foundry
# anvil/src/eth/error.rs; besu INVALID_PARAMS; nethermind EthRpcModule.cs; hardhat and others.
_EMPTY_REFUSED = (
    "typed transaction too short",
    r"^(?:unexpected )?eof\b",
    r"empty (?:raw )?transaction",
    r"invalid (?:transaction )?params",
    r"rlp\b",
    r"(?:failed to|could not|cannot) decode",
)
# An endpoint with one of these excuses may take transactions a moment later.
_PASSING: frozenset[ReasonCode] = frozenset(
    {"rate_limited", "overloaded", "node_timeout", "internal_error"}
)


def takes_transactions(error: JsonRpcError | None) -> TakesTransactions:
    """Return whether an endpoint takes transactions, by its answer to an empty one.

    "Not from me" means "no", with HTTP 403, too (proxyd that does not list the method), unless it
    is a rate limit or another passing problem. Unknown words are inconclusive, and so is None.
    """
    if error is None:
        return "inconclusive"
    excuse = excuse_for(error)
    if excuse is not None:
        return "inconclusive" if excuse.reason_code in _PASSING else "no"
    return "yes" if says(plain(error.message), _EMPTY_REFUSED) else "inconclusive"
