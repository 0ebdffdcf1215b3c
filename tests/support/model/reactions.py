"""What endpoints do, as tables: each line has a weight, an action, and its meaning.

An endpoint that takes a transaction, or has it, may answer with its hash, with nothing, with
nonsense, with an outage that leaves delivery open, or with an error that means "I have it". It
never says that it refused what it took: no client could then report the truth.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Literal, Protocol, TypeVar

from tests.support.model.chain import Said, Treatment

Delivered = Literal["no", "unknown", "yes"]
Taking = Literal["no", "some", "late"]
"""``some``: a random part of the transactions; ``late``: all, once the exchange is over."""


class Weighted(Protocol):
    """A line of a table."""

    @property
    def weight(self) -> float:
        """How often it is drawn, relative to the others of its table."""


W = TypeVar("W", bound=Weighted)


def draw(random: Random, table: Sequence[W]) -> W:
    """Return a random line of ``table``, by weight."""
    return random.choices(table, [line.weight for line in table])[0]


# ---- One transaction, alone or in a batch ----


@dataclass(frozen=True, slots=True)
class SendItem:
    """How an endpoint treats one transaction."""

    name: str
    weight: float
    takes: bool
    members: Mapping[str, Any] | None
    """The answer without its id; `fill` puts the hash into it. None: no answer."""
    said: Said
    delivered: Delivered | None
    final: bool = False
    """Only said about a transaction that the node does not have."""
    landed: bool = False

    def treatment(self) -> Treatment:
        """Return its entry in the log."""
        error: Mapping[str, Any] = {}
        if self.said == "error" and self.members is not None:
            error = self.members["error"]
        return Treatment(
            self.name,
            self.said,
            self.delivered,
            code=error.get("code"),
            message=error.get("message"),
            final=self.final,
            landed=self.landed,
        )


def _result(name: str, weight: float, value: Any, *, takes: bool = True) -> SendItem:
    said: Said = "hash" if value == "HASH" else "nonsense"
    delivered: Delivered = "yes" if said == "hash" else "unknown"
    return SendItem(name, weight, takes, {"result": value}, said, delivered)


def _error(
    code: int,
    message: str,
    delivered: Delivered,
    *,
    weight: float = 1.0,
    takes: bool = False,
    final: bool = False,
    landed: bool = False,
) -> SendItem:
    members = {"error": {"code": code, "message": message}}
    name = f"{'takes it, says' if takes else 'says'} {message!r}"
    return SendItem(name, weight, takes, members, "error", delivered, final=final, landed=landed)


TAKES = _result("takes it", 0, "HASH")
NONCE_SPENT = _error(-32000, "nonce too low: next nonce 9, tx nonce 3", "yes", weight=0)

SEND_ITEMS: tuple[SendItem, ...] = (
    # Results
    _result("takes it, and answers null", 1, None),
    _result("answers null", 0.5, None, takes=False),
    _result("takes it, and answers another hash", 1, "0x" + "cd" * 32),
    _result("answers a hash that differs in its last digit", 1, "NEAR", takes=False),
    _result("answers a hash with the right beginning", 1, "PREFIX", takes=False),
    SendItem("takes it, and leaves it unanswered", 1, True, None, "nothing", "unknown"),
    SendItem("leaves it unanswered", 1, False, None, "nothing", "unknown"),
    SendItem("neither result nor error", 0.5, True, {}, "nonsense", "unknown"),
    SendItem("an error in words", 0.5, True, {"error": "no"}, "nonsense", "unknown"),
    SendItem(
        "an error without a code", 0.5, True, {"error": {"details": "x"}}, "nonsense", "unknown"
    ),
    # Verdicts that are final
    _error(-32000, "insufficient funds for gas * price + value", "yes", weight=2, final=True),
    _error(-32000, "intrinsic gas too low", "yes", final=True),
    _error(-32000, "max fee per gas less than block base fee", "yes", final=True),
    # Verdicts that may mean "I have it": said by nodes that have it, and by nodes that do not
    _error(-32000, "nonce too low: next nonce 8, tx nonce 7", "yes", weight=2),
    _error(-32003, "nonce too low", "yes", takes=True),
    _error(-32000, "the policy of this pool says no (17)", "yes", weight=2),
    _error(-32000, "tx already in mempool (custom)", "yes", takes=True, weight=2),
    _error(-32000, "already known", "yes", takes=True, weight=2, landed=True),
    _error(-32000, "ALREADY_EXISTS: already known", "yes", landed=True),
    # Not delivered: the node is not to blame, and did not pass it on
    _error(-32016, "over rate limit", "no"),
    _error(-32005, "daily request count exceeded, request rate limited", "no"),
    _error(-32601, "the method eth_sendRawTransaction does not exist/is not available", "no"),
    _error(-32000, "node is syncing", "no"),
    # Perhaps delivered: the node may have passed it on
    *(
        _error(code, message, "unknown", takes=takes)
        for takes in (False, True)
        for code, message in (
            (-32002, "request timed out"),
            (-32011, "no backend is currently healthy to serve traffic"),
            (-32603, "Internal error"),
            (-32000, 'Post "https://seq.example": context deadline exceeded'),
        )
    ),
)


def fill(members: Mapping[str, Any], transaction_hash: str) -> dict[str, Any]:
    """Return the members of an answer with the hash filled in."""
    last = "0" if transaction_hash[-1] != "0" else "1"
    filled = {
        "HASH": transaction_hash,
        "NEAR": transaction_hash[:-1] + last,
        "PREFIX": transaction_hash[:34] + "0" * 32,
        "UPPER": "0x" + transaction_hash[2:].upper(),
    }
    return {key: _filled(value, filled) for key, value in members.items()}


def _filled(value: Any, by: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return by.get(value, value)
    if isinstance(value, dict):
        return {key: _filled(each, by) for key, each in value.items()}
    return value


# ---- One look-up, alone or in a batch ----


@dataclass(frozen=True, slots=True)
class LookUpItem:
    """How an endpoint answers a look-up of a transaction."""

    name: str
    weight: float
    members: Mapping[str, Any] | None
    said: Said

    def treatment(self) -> Treatment:
        """Return its entry in the log."""
        return Treatment(self.name, self.said, None)


FOUND = LookUpItem("shows it", 0, {"result": {"hash": "HASH", "nonce": "0x7"}}, "found")
FOUND_IN_CAPITALS = LookUpItem("shows it in capitals", 0, {"result": {"hash": "UPPER"}}, "found")
NOT_THERE = LookUpItem("says null", 0, {"result": None}, "null")

LOOK_UP_ITEMS: tuple[LookUpItem, ...] = (
    LookUpItem("says null, lagging", 3, {"result": None}, "null"),
    LookUpItem("answers {}", 2, {"result": {}}, "nonsense"),
    LookUpItem("answers a string", 1, {"result": "HASH"}, "nonsense"),
    LookUpItem("shows another", 2, {"result": {"hash": "NEAR"}}, "nonsense"),
    LookUpItem("shows one with the same beginning", 2, {"result": {"hash": "PREFIX"}}, "nonsense"),
    LookUpItem("shows a null hash", 1, {"result": {"hash": None}}, "nonsense"),
    LookUpItem("an error", 2, {"error": {"code": -32000, "message": "not now"}}, "error"),
    LookUpItem("no method", 1, {"error": {"code": -32601, "message": "not found"}}, "error"),
    LookUpItem("leaves it unanswered", 1, None, "nothing"),
)


# ---- A request as a whole ----

How = Literal["items", "body", "silence", "close", "reset", "cut", "before"]
"""``items``: each item is answered separately; ``body``: one answer to the request. The others do
not answer completely: ``cut`` stops in the middle, ``before`` resets before the log entry."""


@dataclass(frozen=True, slots=True)
class Whole:
    """How an endpoint treats a request as a whole."""

    name: str
    weight: float
    how: How
    may_take: tuple[Taking, ...] = ("no",)
    status: int = 200
    body: bytes = b""
    delivered: Delivered | None = "unknown"
    error: tuple[int, str] | None = None
    """Code and message, if the body is an error."""

    def treatment(self) -> Treatment:
        """Return the log entry of each transaction in the request."""
        code, message = self.error or (None, None)
        said: Said = "nothing" if self.error is None else "error"
        return Treatment(self.name, said, self.delivered, code=code, message=message)


ITEMS = Whole("answers", 0, "items")

_ANY: tuple[Taking, ...] = ("no", "some", "some", "late")


def _message(code: int, message: str) -> bytes:
    error = {"code": code, "message": message}
    return json.dumps({"jsonrpc": "2.0", "id": None, "error": error}).encode()


def _says(
    code: int,
    message: str,
    delivered: Delivered,
    *,
    may_take: tuple[Taking, ...] = ("no",),
    status: int = 200,
) -> Whole:
    name = f"says {message!r}" + (f" with HTTP {status}" if status != 200 else "")
    body = _message(code, message)
    return Whole(name, 0.7, "body", may_take, status, body, delivered, (code, message))


_PAGE = b"<html><head><title>Maintenance</title></head></html>"

WHOLE: tuple[Whole, ...] = (
    Whole("is silent", 3, "silence", _ANY),
    Whole("closes", 2, "close", _ANY),
    Whole("resets", 2, "reset", _ANY),
    Whole("answers in part and closes", 2, "cut", _ANY),
    Whole("closes before it has read", 2, "before", delivered=None),
    *(Whole(f"HTTP {s}", 1, "body", _ANY, s, _PAGE) for s in (500, 502, 503, 504, 408)),
    *(
        Whole(f"HTTP {s}", 0.7, "body", status=s, body=_PAGE, delivered="no")
        for s in (401, 403, 404, 405, 429, 307)
    ),
    Whole("an HTML page", 1, "body", _ANY, 200, _PAGE),
    Whole("garbage", 1, "body", _ANY, 200, b'\x80\xff{"jsonrpc"'),
    Whole("an empty body", 0.7, "body", _ANY, 200, b""),
    Whole("an empty array", 0.7, "body", _ANY, 200, b"[]"),
    Whole("a number", 0.5, "body", _ANY, 200, b"7"),
    Whole("null", 0.5, "body", _ANY, 200, b"null"),
    Whole(
        "the answer to another",
        1,
        "body",
        _ANY,
        200,
        json.dumps({"jsonrpc": "2.0", "id": 10**9, "result": "0x" + "ab" * 32}).encode(),
    ),
    # One error for the request: after a rate limit or the like, nothing is delivered, batch or not.
    _says(-32016, "over rate limit", "no"),
    _says(-32601, "Method not found", "no"),
    _says(-32000, "node is syncing", "no"),
    _says(-32002, "request timed out", "unknown", may_take=_ANY),
    _says(-32011, "no backends available", "unknown", may_take=_ANY, status=503),
)

ODD_ENVELOPES: tuple[str, ...] = ("no version", "id as text", "no id", "hash in capitals")
"""Oddities of an answer whose result is the transaction's own hash."""


# ---- A batch that is too large for an endpoint ----


@dataclass(frozen=True, slots=True)
class Refusal:
    """How an endpoint refuses a batch over its limit; it takes no transaction of it."""

    name: str
    status: int
    body: bytes
    delivered: Delivered | None
    """None if verdicts other than "no" are right, too."""


REFUSALS: tuple[Refusal, ...] = (
    Refusal("proxyd: 413", 413, _message(-32021, "request body too large"), "no"),
    Refusal("nginx: 413", 413, _PAGE, "no"),
    Refusal(
        "geth: an array of one error", 200, b"[%s]" % _message(-32600, "batch too large"), "no"
    ),
    Refusal("reth: one object", 200, _message(-32600, "The batch request was too large"), "no"),
    Refusal(
        "dRPC: HTTP 500",
        500,
        _message(31, "Batch of more than 3 requests are not allowed on free tier"),
        None,
    ),
    Refusal("nethermind: 503", 503, _message(-32005, "Batch size limit exceeded"), None),
)

SHORTENED = Treatment("left out of the answer", "nothing", "unknown")

# ---- Other calls ----

OTHER_RESULTS: Mapping[str, Any] = {
    "eth_chainId": "0x7a69",
    "net_version": "31337",
    "eth_getTransactionCount": "0x0",
    "eth_getBalance": "0xde0b6b3a7640000",
    "eth_gasPrice": "0x3b9aca00",
    "eth_blockNumber": "0x10",
    "eth_getBlockByNumber": {"number": "0x10", "baseFeePerGas": "0x7", "timestamp": "0x65"},
    "eth_sendTransaction": "0x" + "5e" * 32,
}
"""Method → result; null for any other method."""


# ---- Personalities ----


@dataclass(frozen=True, slots=True)
class Profile:
    """How often an endpoint misbehaves."""

    name: str
    weight: float
    whole: float
    """The share of sending requests for which a line of `WHOLE` is drawn."""
    item: float
    """The share of transactions for which a line of `SEND_ITEMS` is drawn."""
    look_up: float
    """The share of look-ups for which a line of `LOOK_UP_ITEMS` is drawn; scales ``whole``, too."""
    only: str | None = None
    """The only line of `WHOLE` that it uses; None for all."""


PROFILES: tuple[Profile, ...] = (
    Profile("healthy", 3, 0, 0, 0),
    Profile("healthy, lagging", 1, 0, 0, 0.7),
    Profile("picky", 3, 0, 0.6, 0.2),
    Profile("flaky", 3, 0.5, 0.2, 0.3),
    Profile("hostile", 2, 0.6, 0.6, 0.7),
    Profile("silent", 1, 1, 0, 1, "is silent"),
    Profile("refusing", 1, 1, 0, 0.3, "HTTP 429"),
    Profile("closing", 1, 1, 0, 0.5, "closes"),
)
