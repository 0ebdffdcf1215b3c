"""A rollup with several sequencers, whose op-nodes and op-conductors answer as real ones do."""

import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Literal, Self

from seqsend.sending.transaction import parse_raw_transaction
from tests.support.servers import Replying, Request, jsonrpc_error, jsonrpc_result

Kind = Literal["op-node", "op-conductor", "op-node without admin", "proxy of a conductor"]

# op-conductor/rpc/api.go, ErrNotLeader
_NOT_LEADER = "refusing to proxy request to non-leader sequencer"


def no_such_method(request: Request) -> bytes:
    """Answer as go-ethereum's RPC server does (rpc/errors.go, methodNotFoundError)."""
    method = request.json["method"]
    return jsonrpc_error(request, -32601, f"the method {method} does not exist/is not available")


def rollup_node(is_active: Callable[[], bool], kind: Kind = "op-node") -> Replying:
    """Return the rollup node of a sequencer; an op-conductor also passes calls on to it."""

    def reply(request: Request) -> bytes:
        method, active = request.json["method"], is_active()
        if method == "conductor_leader" and kind == "op-conductor":
            return jsonrpc_result(request, active)
        if method == "admin_sequencerActive" and kind == "op-node":
            return jsonrpc_result(request, active)
        if method == "admin_sequencerActive" and kind in ("op-conductor", "proxy of a conductor"):
            if not active:
                return jsonrpc_error(request, -32000, _NOT_LEADER)
            return jsonrpc_result(request, True)
        return no_such_method(request)

    return Replying(reply)


class Rollup:
    """Sequencers with their op-nodes, one of them active; a context manager."""

    def __init__(self, kinds: Sequence[Kind], *, active: int | None = 1) -> None:
        """Prepare one sequencer per item of ``kinds``; ``active`` is counted from 1."""
        self.active = active
        self.landed: list[tuple[str, int, int | None]] = []
        """Hash, the sequencer that accepted it, and the one that was active then."""
        self.lock = threading.Lock()
        """Held during each request; a test holds it to change ``active`` between two requests."""
        self.before: Callable[[int, Request], bytes | None] = lambda _index, _request: None
        """May answer instead of a sequencer; None lets the sequencer answer."""
        self._stack = ExitStack()
        positions = range(1, len(kinds) + 1)
        self.nodes = [
            rollup_node(self._asks(index), kind)
            for index, kind in zip(positions, kinds, strict=True)
        ]
        self.sequencers = [Replying(self._sequencer(index)) for index in positions]

    @property
    def arguments(self) -> list[str]:
        """The options that name the sequencers and their op-nodes."""
        return [f"--rollup.sequencer-http={self.urls}", f"--rollup-rpc={self.node_urls}"]

    @property
    def urls(self) -> str:
        """The list of sequencers, as an option takes it."""
        return ",".join(sequencer.url for sequencer in self.sequencers)

    @property
    def node_urls(self) -> str:
        """The list of op-nodes, as an option takes it."""
        return ",".join(node.url for node in self.nodes)

    @property
    def questions(self) -> list[str]:
        """The methods that the op-nodes were called with so far."""
        return [request.json["method"] for node in self.nodes for request in node.requests]

    def kill(self, index: int) -> None:
        """Make a sequencer refuse connections, and close its open ones."""
        self.sequencers[index - 1].__exit__()

    def _asks(self, index: int) -> Callable[[], bool]:
        return lambda: self.active == index

    def _sequencer(self, index: int) -> Callable[[Request], bytes]:
        def reply(request: Request) -> bytes:
            with self.lock:
                answer = self.before(index, request)
                if answer is not None:
                    return answer
                if request.json["method"] != "eth_sendRawTransaction":
                    return jsonrpc_result(
                        request, None if "Hash" in request.body.decode() else "0x1"
                    )
                known = parse_raw_transaction(request.json["params"][0]).hash
                self.landed.append((known, index, self.active))
                return jsonrpc_result(request, known)

        return reply

    def __enter__(self) -> Self:
        for server in (*self.nodes, *self.sequencers):
            self._stack.enter_context(server)
        return self

    def __exit__(self, *_exception: object) -> None:
        self._stack.close()
