"""Recognises what an address belongs to, if it is not an execution endpoint."""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from seqsend.configuration import Configuration
from seqsend.diagnosis.interview import Interview, QuestionOutcome, ask_once
from seqsend.errors import EndpointFailure
from seqsend.failover.requester import Requester
from seqsend.jsonrpc import parse_json
from seqsend.models import Attempt, FindingCode, ReasonCode
from seqsend.redaction import excerpt, scrub
from seqsend.transports.base import Deadline, Exchange, Fetching, Transport
from seqsend.verdicts.shown import describe_body

_BEACON_PATH = "eth/v1/node/version"  # Ethereum's beacon API

# A server that answers JSON-RPC with these statuses speaks another protocol on that port. REST and
# web servers; WebSocket servers: go-ethereum node/rpcstack.go (404), jsonrpsee (403), besu
# WebSocketService (400 "Websocket endpoint can't handle HTTP requests"), ws for Node (426).
_OTHER_PROTOCOL = frozenset({400, 403, 404, 405, 426})


class Stranger(NamedTuple):
    """What was recognised."""

    code: FindingCode
    reason: str


_OP_NODE = Stranger("op_node", "an op-node, which takes no transactions")
_CONDUCTOR = Stranger("op_conductor", "an op-conductor, which takes no transactions")
_BATCHER = Stranger("op_batcher", "an op-batcher or op-proposer, which takes no transactions")


def recognise_by_methods(interview: Interview) -> Stranger | None:
    """Return what speaks JSON-RPC without eth_chainId; None if it may take transactions.

    No question changes anything.
    """
    # Every server built with go-ethereum's rpc/server.go has this method, the OP stack's too.
    modules = interview.ask("rpc_modules").result
    if isinstance(modules, dict):
        found = _recognise_by_modules(modules)
        if found is not None:
            return found
    questions = (
        # for kona-node and others that are built differently
        ("optimism_syncStatus", dict, _OP_NODE),
        ("conductor_active", bool, _CONDUCTOR),
    )
    for method, kind, stranger in questions:
        if not interview.is_over and isinstance(interview.ask(method).result, kind):
            return stranger
    return None


def _recognise_by_modules(modules: Mapping[str, Any]) -> Stranger | None:
    if "conductor" in modules:  # which has "eth", too: it passes reads on to its node
        return _CONDUCTOR
    if "optimism" in modules:
        return _OP_NODE
    if "eth" in modules:
        return None
    # op-service rpc/server.go gives this module to every service of the OP stack.
    if "health" in modules:
        return _BATCHER
    names = ", ".join(sorted(modules)[:8])
    said = f"it has the methods of {names}, but not of eth" if names else "it has no methods of eth"
    return Stranger("not_execution", excerpt(said))


class Neighbourhood:
    """Examines, by other protocols, a server that did not answer in JSON-RPC."""

    def __init__(self, configuration: Configuration, transport: Transport, by: Deadline) -> None:
        """``by`` is the deadline for everything that is asked."""
        self._configuration = configuration
        self._transport = transport
        self._by = by

    def recognise(self, first: Attempt) -> FindingCode | ReasonCode | None:
        """Return what answered ``first``, if it is a beacon node or a WebSocket server."""
        if not _may_be_other(first):
            return None
        if self._is_beacon(first):
            return "beacon"
        if first.http_status != 200 and self._is_websocket(first):
            return "websocket_wanted"
        return None

    def page_title(self, first: Attempt) -> str | None:
        """Return the title of the web page at the endpoint, or None."""
        if not _may_be_other(first) or first.reason_code == "html":
            return None  # the title of HTML is already the reason
        body = self._fetch(first, "") or b""
        if re.search(rb"(?i)<title[^>]*>\s*\w", body[:64_000]) is None:
            return None
        words = describe_body(body)
        return None if words is None else excerpt(scrub(words, self._configuration.secrets))

    def _is_beacon(self, first: Attempt) -> bool:
        try:
            found = parse_json((self._fetch(first, _BEACON_PATH) or b"").decode())
        except (ValueError, RecursionError):
            return False
        data = found.get("data") if isinstance(found, dict) else None
        return isinstance(data, dict) and "version" in data

    def _fetch(self, first: Attempt, path: str) -> bytes | None:
        if not isinstance(self._transport, Fetching) or self._by.remaining <= 0:
            return None
        dial = Deadline.after(self._configuration.limits.dial, "dial timeout")
        exchange = Exchange(dial.or_sooner(self._by), self._by)
        try:
            return self._transport.fetch(first.endpoint, path, exchange).body
        except EndpointFailure:
            return None

    def _is_websocket(self, first: Attempt) -> bool:
        """Return whether the same address answers the same question over WebSocket."""
        address = first.endpoint.address
        if address.is_websocket or self._by.remaining <= 0:
            return False
        scheme = "wss" if address.is_secure else "ws"
        endpoint = first.endpoint._replace(address=address._replace(scheme=scheme))
        transport = self._configuration.transport(endpoint)
        try:
            requester = Requester(transport, self._configuration.limits)
            heard: QuestionOutcome = ask_once(requester, endpoint, self._by, "eth_chainId")
        finally:
            transport.close()
        return heard.judgement.row.kind != "outage"


def _may_be_other(first: Attempt) -> bool:
    """Return whether ``first`` was answered as a server without JSON-RPC would."""
    if first.http_status == 200:
        return first.reason_code in ("not_json", "not_json_rpc", "html")
    return first.http_status in _OTHER_PROTOCOL and first.error is None
