"""What to do next about an endpoint that failed, by the reason code of the attempt. Pure."""

from collections.abc import Mapping
from types import MappingProxyType

from seqsend.models import Attempt, FindingCode, ReasonCode

_OWN_WORDS = "see the server's own message"
_ELSEWHERE = "use another endpoint, or wait"
_RATE = "rate limited: wait, or use another endpoint or key"
_NO_NODE = "a proxy answers, but has no healthy node behind it"
_NO_JSON_RPC = "this address does not speak JSON-RPC: check host, port and path"
_CREDENTIALS = "put credentials into the URL (user:password@host) or --rollup.sequencer-headers"
_NOT_TLS = "the port may not speak TLS: check that it is the right one"

_NOT_EXECUTION = "use the execution endpoint's address (op-geth, op-reth; often port 8545)"
_ROLES = "check the op-node or op-conductor that --rollup-rpc names for it, and its log"

HINTS: Mapping[ReasonCode | FindingCode, str] = MappingProxyType(
    {
        # Before the request left
        "dns_failed": "check the spelling; if it is right, check this machine's resolver",
        "dns_timeout": (
            "the resolver does not answer: check /etc/resolv.conf, or use an IP address"
        ),
        "no_resolver": (
            "this machine cannot look up names now: check /etc/resolv.conf, or use an IP address"
        ),
        "refused": (
            "the host is up, but nothing listens on that port: check that the node runs and that "
            "this is its RPC port"
        ),
        "no_route": "this machine has no route to it: check the address, VPN and routes",
        "dial_timeout": "the host is down, or a firewall drops packets on the way",
        "dial_failed": "this machine could not connect: check the address, firewall and routes",
        "local_limit": "this machine is at a limit: check `ulimit -a` and what else runs here",
        "proxy_unreachable": "check HTTP_PROXY, HTTPS_PROXY and NO_PROXY",
        "proxy_refused": "check HTTP_PROXY, HTTPS_PROXY and NO_PROXY",
        "tls_untrusted": "if you trust its issuer, pass the issuer's certificate with --cacert",
        "tls_expired": "its certificate must be renewed",
        "tls_not_yet_valid": "this machine's clock may be wrong",
        "tls_wrong_name": "use a name that its certificate covers",
        "tls_no_authorities": (
            "this machine has no certificate authorities: install ca-certificates"
        ),
        "tls_failed": _NOT_TLS,
        "tls_not_spoken": "write http:// instead of https://, or use the TLS port",
        "tls_wanted": "write https:// instead of http://",
        "not_websocket": "no WebSocket answers there: check host, port and path, or write http://",
        "websocket_wanted": (
            "this is a WebSocket port: write ws:// instead of http://, or use the HTTP port"
        ),
        # After it left
        "timeout": "it takes requests but does not answer: the node hangs or is overloaded",
        "closed": "something closes connections: a proxy, a restart, or a wrong port",
        "too_large": "raise --max-response-size if answers of this size are expected",
        "not_http": _NO_JSON_RPC,
        "not_json": _NO_JSON_RPC,
        "html": "this is a web page, such as a block explorer: check host and path",
        "not_json_rpc": _NO_JSON_RPC,
        "null_result": _NO_NODE,
        "wrong_result": "it computed another hash: check that it is a node of this chain",
        # HTTP statuses
        "redirect": "use the address that it points to",
        "unauthorized": _CREDENTIALS,
        "not_found": "check the path: that of an RPC endpoint is often / or /rpc",
        "not_allowed": "it does not accept POST: a web site, or the wrong path",
        "rate_limited": _RATE,
        "bad_gateway": _NO_NODE,
        "gateway_timeout": "a proxy answers, but the node behind it does not in time",
        "server_error": "the server has a problem: see its log",
        "request_too_large": (
            "send smaller batches (--batch-size), or have the server's limit raised"
        ),
        "unknown_host": "geth accepts this host name only if its --http.vhosts lists it",
        "token_wanted": (
            "this is the engine port, which requires a JWT: use the RPC port (often 8545)"
        ),
        "http_error": "a JSON-RPC endpoint does not answer like this: check host, port and path",
        # What a node or proxy says in a JSON-RPC error
        "no_such_method": "use an execution endpoint that has the method",
        "credentials": _CREDENTIALS,
        "no_backend": _NO_NODE,
        "overloaded": _ELSEWHERE,
        "syncing": "wait until it has synced, or use another endpoint",
        "not_leader": "use the address of the active sequencer, or wait until this one is",
        "internal_error": "the node has a problem: see its log",
        "node_timeout": "the node is overloaded, or what it forwards to does not answer",
        "forward_failed": "the node works, but does not reach the sequencer: see its log",
        # What `check` finds
        "not_execution": _NOT_EXECUTION,
        "op_node": _NOT_EXECUTION,
        "op_conductor": _NOT_EXECUTION,
        "op_batcher": _NOT_EXECUTION,
        "beacon": f"a beacon (consensus) node answers there; {_NOT_EXECUTION}",
        "no_transactions": "a read-only or filtering endpoint: use the sequencer's own address",
        "slow": "it is overloaded or far away: raise --sequencer-request-timeout to see the rest",
        "wrong_chain": "this is an endpoint of another chain: check host, port and path",
        "chain_differs": (
            "one of the two is an endpoint of another chain: say which is right with --chain-id"
        ),
        "head_unknown": "without a head it is not known whether its chain moves: see its log",
        "head_old": (
            "the sequencer has stopped, or this node does not follow it (--max-age sets the limit)"
        ),
        "head_in_future": "set the clocks of this machine and of the sequencer (NTP)",
        "head_behind": "it follows slowly or has stopped: compare again later (--watch 2s)",
        "safe_stuck": "check that batches reach L1: see op-batcher and the op-node's L1 endpoint",
        "role_unknown": _ROLES,
        "none_active": _ROLES,
        "several_active": "stop all but one (admin_stopSequencer), or their chains will differ",
    }
)
"""What to do, for each reason code of an attempt that failed and for each finding."""


def hint_of(code: ReasonCode | FindingCode | None) -> str:
    """Return what to do about what ``code`` stands for, in one line."""
    return _OWN_WORDS if code is None else HINTS.get(code, _OWN_WORDS)


def hint_for(attempt: Attempt) -> str:
    """Return what to do about ``attempt``, which failed, in one line."""
    return hint_of(attempt.reason_code)
