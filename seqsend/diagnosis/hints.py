"""What to do next about an endpoint that failed, by the reason code of the attempt. Pure."""

from collections.abc import Mapping
from types import MappingProxyType

from seqsend.models import Attempt, FindingCode, ReasonCode

_OWN_WORDS = "its own words say what is wrong"
_ELSEWHERE = "use another endpoint, or wait"
_RATE = "rate limited: wait, or use another endpoint or key"
_NO_NODE = "a proxy answers, and has no healthy node behind it"
_NO_JSON_RPC = "what listens there speaks no JSON-RPC: check host, port and path"
_CREDENTIALS = (
    "credentials? give them in the URL (user:password@host) or with --rollup.sequencer-headers"
)
_NOT_TLS = "what listens there may not speak TLS: is this the right port?"

_NOT_EXECUTION = "give the address of the execution endpoint (op-geth, op-reth; often port 8545)"
_ROLES = "see the op-node or op-conductor that --rollup-rpc names for it, and its log"

HINTS: Mapping[ReasonCode | FindingCode, str] = MappingProxyType(
    {
        # Before the request left
        "dns_failed": "check its spelling; if that is right, this machine's resolver",
        "dns_timeout": (
            "the resolver does not answer: see /etc/resolv.conf, or give an IP address"
        ),
        "no_resolver": (
            "this machine cannot look up names now: see /etc/resolv.conf, or give an IP address"
        ),
        "refused": (
            "the host is up and nothing listens on that port: does the node run, is this its RPC "
            "port?"
        ),
        "no_route": "this machine has no way there: address, VPN or routes?",
        "dial_timeout": "packets are dropped on the way (firewall?), or the host is down",
        "dial_failed": "this machine's network says why: address, firewall or routes?",
        "local_limit": "this machine's own limit: see `ulimit -a`, and what else runs here",
        "proxy_unreachable": "see HTTP_PROXY, HTTPS_PROXY and NO_PROXY",
        "proxy_refused": "see HTTP_PROXY, HTTPS_PROXY and NO_PROXY",
        "tls_untrusted": "if you trust who signed it, name their certificate with --cacert",
        "tls_expired": "its certificate must be renewed",
        "tls_not_yet_valid": "this machine's clock may be wrong",
        "tls_wrong_name": "use a name that its certificate is for",
        "tls_no_authorities": (
            "this machine has no certificate authorities: install ca-certificates"
        ),
        "tls_failed": _NOT_TLS,
        "tls_not_spoken": "write http:// instead of https://, or ask for the TLS port",
        "tls_wanted": "write https:// instead of http://",
        "not_websocket": "no WebSocket answers there: check host, port and path, or write http://",
        "websocket_wanted": "a WebSocket port: write ws:// for http://, or use the HTTP port",
        # After it left
        "timeout": "it takes requests and does not answer: the node hangs or is overloaded",
        "closed": "something closes connections: a proxy, a restart, or a wrong port",
        "too_large": "raise --max-response-size if answers of this size are expected",
        "not_http": _NO_JSON_RPC,
        "not_json": _NO_JSON_RPC,
        "html": "a web page, a block explorer's for one: check host and path",
        "not_json_rpc": _NO_JSON_RPC,
        "null_result": _NO_NODE,
        "wrong_result": "it computes another hash: is it a node of this chain?",
        # HTTP statuses
        "redirect": "give the address that it points to",
        "unauthorized": _CREDENTIALS,
        "not_found": "wrong path? the address of an RPC endpoint often ends in / or /rpc",
        "not_allowed": "it takes no POST there: a web site or a wrong path",
        "rate_limited": _RATE,
        "bad_gateway": _NO_NODE,
        "gateway_timeout": "a proxy answers, and the node behind it does not in time",
        "server_error": "the server itself is in trouble: its log says more",
        "request_too_large": "send less at once (--batch-size), or have the limit there raised",
        "unknown_host": "geth takes this host name only if its --http.vhosts lists it",
        "token_wanted": (
            "that is the engine port, which wants a JWT: use the RPC port (often 8545)"
        ),
        "http_error": "no JSON-RPC endpoint answers so: check host, port and path",
        # What a node or proxy says in a JSON-RPC error
        "no_such_method": "give the address of an execution endpoint that has the method",
        "credentials": _CREDENTIALS,
        "no_backend": _NO_NODE,
        "overloaded": _ELSEWHERE,
        "syncing": "wait until it has synced, or use another endpoint",
        "not_leader": "use the address of the active sequencer, or wait until this one is",
        "internal_error": "the node itself is in trouble: its log says more",
        "node_timeout": "the node is overloaded, or what it forwards to does not answer",
        "forward_failed": "the node works, and its way to the sequencer does not: see its log",
        # What `check` finds
        "not_execution": _NOT_EXECUTION,
        "op_node": _NOT_EXECUTION,
        "op_conductor": _NOT_EXECUTION,
        "op_batcher": _NOT_EXECUTION,
        "beacon": f"a beacon (consensus) node answers there; {_NOT_EXECUTION}",
        "no_transactions": "a read-only or filtering endpoint: use the sequencer's own address",
        "slow": "it is overloaded or far away: raise --sequencer-request-timeout to see the rest",
        "wrong_chain": "the address of another chain: check host, port and path",
        "chain_differs": (
            "one of the two is the address of another chain; --chain-id says which is right"
        ),
        "head_unknown": "without its head nobody knows whether its chain moves: see its log",
        "head_old": (
            "has the sequencer stopped, or does this node not follow it? (--max-age says what "
            "is old)"
        ),
        "head_in_future": "set the clocks of this machine and of the sequencer (NTP)",
        "head_behind": "it follows slowly or has stopped: compare again in a while (--watch 2s)",
        "safe_stuck": "do the batches reach L1? See op-batcher and the op-node's L1 endpoint",
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
