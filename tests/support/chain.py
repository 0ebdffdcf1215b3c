"""A chain that a test moves step by step: what is mined, safe, or reorganised away."""

from collections.abc import Callable, Sequence
from typing import Any

from seqsend import parse_raw_transaction
from tests.support.calls import calls_in, respond
from tests.support.servers import Replying, Request

Step = Callable[["FakeChain"], None]


def stay(_chain: "FakeChain") -> None:
    """Change nothing."""


class FakeChain(Replying):
    """Accepts transactions and mines them when a step says so; a context manager.

    Before each request that does not send, it takes its next step, so that what a client sees
    depends on the number of requests and not on time. After the last step it stays as it is.
    """

    def __init__(self, steps: Sequence[Step] = ()) -> None:
        """Prepare a chain that takes one of ``steps`` before each request that does not send."""
        super().__init__(self._answer)
        self._steps = list(steps)
        self.hashes: list[str] = []
        """The hashes of the transactions it accepted, in order, with repetitions."""
        self.blocks: dict[int, str] = {n: _block_hash(n, "a") for n in range(11)}
        """The canonical chain: number → hash."""
        self.safe = self.finalized = 5
        self.mined: dict[str, tuple[int, str, int]] = {}
        """Transaction hash → number and hash of its block, and its status."""
        self.asked: list[list[str]] = []
        """The methods of each request."""

    @property
    def polls(self) -> list[list[str]]:
        """The methods of each request that did not send."""
        return [methods for methods in self.asked if "send" not in methods[0]]

    # ---- Steps ----

    def preconfirm(self, fork: str = "a", status: int = 1) -> None:
        """Give every transaction a receipt in the block after the head."""
        number = max(self.blocks) + 1
        for each in self.hashes:
            self.mined.setdefault(each, (number, _block_hash(number, fork), status))

    def mine(self, fork: str = "a", status: int = 1) -> None:
        """Mine a block with every transaction that is not in a block yet."""
        self.preconfirm(fork, status)
        number = max(self.blocks) + 1
        self.blocks[number] = _block_hash(number, fork)

    def reorganise(self, depth: int = 1, fork: str = "b") -> None:
        """Replace the last ``depth`` blocks by empty ones of another fork."""
        gone = sorted(self.blocks)[-depth:]
        self.blocks |= {number: _block_hash(number, fork) for number in gone}
        self.mined = {h: m for h, m in self.mined.items() if m[0] not in gone}

    # ---- Answers ----

    def _answer(self, request: Request) -> bytes:
        calls = calls_in(request)
        methods = [call["method"] for call in calls]
        self.asked.append(methods)
        if "send" not in methods[0] and self._steps:
            self._steps.pop(0)(self)
        return respond(request, [self.answer(call) for call in calls])

    def answer(self, call: dict[str, Any]) -> dict[str, Any]:
        """Return the result or error of one call."""
        method, params = call["method"], call["params"]
        if method == "eth_getTransactionReceipt":
            return {"result": self._receipt(params[0])}
        if method == "eth_getBlockByNumber":
            return {"result": self._block(params[0])}
        if method == "eth_getTransactionByHash":
            return {"result": {"hash": params[0]} if params[0] in self.hashes else None}
        if method == "eth_sendRawTransaction":
            return {"result": self.take(params[0])}
        return {"error": {"code": -32601, "message": f"the method {method} does not exist"}}

    def take(self, raw: str) -> str:
        """Accept a transaction; return its hash."""
        known = parse_raw_transaction(raw).hash
        self.hashes.append(known)
        return known

    def _receipt(self, known: str) -> dict[str, Any] | None:
        if known not in self.mined:
            return None
        number, block, status = self.mined[known]
        return receipt_of(known, number, block, status)

    def _block(self, which: str) -> dict[str, Any] | None:
        named = {"safe": self.safe, "finalized": self.finalized, "latest": max(self.blocks)}
        number = named[which] if which in named else int(which, 16)
        if number not in self.blocks:
            return None
        return {"number": hex(number), "hash": self.blocks[number], "transactions": []}


def receipt_of(known: str, number: int, block: str, status: int = 1) -> dict[str, Any]:
    """Return a receipt."""
    return {
        "transactionHash": known,
        "blockNumber": hex(number),
        "blockHash": block,
        "status": hex(status),
    }


def _block_hash(number: int, fork: str) -> str:
    return f"0x{number:063x}{fork}"
