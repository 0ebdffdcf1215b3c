"""The kinds of "not from me": how endpoints say that a request is not theirs to judge. Pure.

Each kind names its sources: file and name in a repository, or a provider's documentation, as of
2026. The phrases are rules, meant to match unseen wordings too, not a list of known messages. Words
of a verdict (`verdict_words`) in the same text take precedence over all of them.
"""

from typing import Final, NamedTuple

from seqsend.models import Delivered, ReasonCode

METHOD_NOT_FOUND: Final = -32601
"""JSON-RPC 2.0, section 5.1."""


class Kind(NamedTuple):
    """One way to say "not from me"."""

    reason_code: ReasonCode
    delivered: Delivered
    phrases: tuple[str, ...]
    """As `words.says` takes them."""
    codes: frozenset[int] = frozenset()
    """JSON-RPC codes that say it, whatever the words."""


# What can be missing; for an endpoint, the words must follow at once.
_PLACE = r"(?:(?:method|namespace|module(?! account))\b[^.;]{0,60}?|(?:endpoint|api) (?:is )?)"
_SYNC = r"sync(?:h?roni[sz]|h)?"
_SMALL_TALK = (
    r"(?:[\s.,:;!()\[\]]|please|retry|try again|later|soon|contact|support|if|the|this|problem"
    r"|issue|persists|occurred|encountered|happened|an?|in|processing|your|request|with|and"
    r"|(?:trace|request|error|correlation|ray)? ?id\b[ :=#]*[\w ]*)*+"
)
_FORWARDS = r"(?:forward|relay|prox)(?:y|e|ed|ing)?\b"

NODE_TIMEOUT = (
    "timed out",
    (
        r"(?:request|response|execution|rpc|query|operation|call|proxy|gateway|read|write|server"
        r"|handler|sequencer|processing|enabled|network|method) ?time ?out\b"
    ),
    r"time ?out (?:expired|exceeded|error|reached|while|waiting|occurred|after|on|of)\b",
    r"^(?:error: )?time ?out\W*$",
    r"deadline (?:has |was )?(?:been )?(?:exceeded|elapsed)",
    r"context (?:was )?cancel",
    r"(?:request|operation) (?:was )?cancell?ed",
    r"code = (?:deadline ?exceeded|cancell?ed)",
)
FORWARD_FAILED = (
    rf"(?:fail\w*|error|unable|could not|couldn't|cannot|can't|problem) … {_FORWARDS}",
    r"(?:forward|relay|proxy)(?:ing|ed)? … (?:fail|error)",
    (
        r"(?:fail\w*|error|unable|could not|cannot) (?:to )?(?:publish|submit|send|deliver|post"
        r"|pass"
        r"|reach|contact|call)\w* … … (?:forwarding|sequencers?|leader|upstream|backend"
        r"|builder)\b"
    ),
    r"sequencers? … (?:fail|unreachable|not reachable|did not respond)",
    "error sending request",
    "null response",
    r"(?:post|get|put|head) [\\\"]*url\b",
    r"connection (?:\S+ )?(?:reset|closed|lost|aborted|terminated)",
    "econnreset",
    "epipe",
    "broken pipe",
    "socket hang up",
    r"i/o timeout",
    "use of closed",
    "goaway",
    "error decoding response",
    "deserialization error",
    r"http error\b",
    r"client error \(",
    r"(?:read|write) (?:tcp|udp|unix)\b",
)

# The first kind that matches applies.
KINDS = (
    # JSON-RPC 2.0, section 5.1; besu RpcErrorType METHOD_NOT_ENABLED (-32604); EIP-1474 (-32004);
    # go-ethereum rpc/errors.go methodNotFoundError; proxyd "rpc method is not whitelisted"; Alchemy
    # "Unsupported method: …"; op-txproxy "endpoint disabled"; nethermind "namespace … is disabled";
    # EIP-1193 (4200); erpc error_normalizer.go "is not included in your current plan"
    Kind(
        "no_such_method",
        "no",
        (
            r"(?:un|not )(?:supported|known|recogni[sz]ed|implemented) (?:rpc |json rpc )?method\b",
            r"(?:no such|invalid|missing|forbidden|restricted|blocked) (?:rpc )?method\b",
            (
                rf"{_PLACE}\b(?:not|isn't|aren't|never|no longer) (?:\S+ ){{0,2}}?"
                r"(?:found|supported|available"
                r"|enabled|allowed|white ?listed|allow ?listed|implemented|permitted|exist|exposed"
                r"|served|activated|recogni[sz]ed|offered|active)\b"
            ),
            (
                rf"{_PLACE}\b(?:disabled|unavailable"
                r"|unsupported|blocked|restricted|forbidden|disallowed|switched off|turned off)\b"
            ),
            "not white ?listed",
            (
                r"not (?:available|supported|included) (?:on|in|with|for|by) (?:the |your |this )?"
                r"(?:\S+ )?(?:plan|tier|subscription|network|chain|endpoint|provider|node)\b"
            ),
            r"not support … method\b",
            r"code = unimplemented\b",
        ),
        frozenset({METHOD_NOT_FOUND, -32604, -32004}),
    ),
    # There is no way to the sequencer from here: l2geth; nitro execution/gethexec/forwarder.go
    # txDropperErr; besu RpcErrorType TX_POOL_DISABLED
    Kind(
        "no_such_method",
        "no",
        (
            r"forwarding (?:is )?not configured",
            "publishing transactions not supported",
            r"(?:transaction|txn?) ?pool (?:is )?(?:not enabled|disabled)",
            (
                r"(?:sending|submitting|submission of|accepting|broadcasting) (?:raw )?"
                r"(?:transactions?|txs?) (?:is |are )?(?:not (?:supported|allowed|enabled|accepted)"
                r"|disabled)"
            ),
            (
                r"(?:does not|doesn't|do not|cannot|can't) (?:accept|take"
                r"|process) (?:any )?(?:new )?"
                r"(?:transactions|txs)\b"
            ),
            r"read only (?:node|endpoint|mode|replica|rpc|access)\b",
        ),
    ),
    # Alchemy, Infura, QuickNode, Chainstack, Ankr, dRPC, 1RPC, Tenderly, BlockVision and others,
    # each in its documentation on limits; proxyd backend.go ErrOverRateLimit,
    # ErrOverSenderRateLimit and ErrTooManyRequests; EIP-1474 "Limit exceeded"
    Kind(
        "rate_limited",
        "no",
        (
            r"rate ?limit",
            r"(?:over|request|call) rate\b",
            r"rate (?:is |was |has been )?(?:exceeded|limit)",
            r"too many (?:\S+ ){0,2}?(?:requests?|calls|connections|queries)\b",
            "throttl",
            r"(?:requests?|calls|queries|transactions?|txs?) per (?:sec|min|hour|day|month|\d)",
            r"(?:requests?|calls?) (?:count|quota|limit|cap|allowance)",
            r"quotas?\b",
            "compute units?",
            r"(?:number|amount|volume|count|maximum) of (?:\S+ )?(?:requests|calls)\b",
            (
                r"(?:rps|rpm|tps|qps|cups|cu|usage|credits?|throughput|bandwidth|traffic|daily"
                r"|hourly|weekly|monthly|plan|tier) (?:\S+ )?(?:limit|cap|allowance)s?\b"
            ),
            r"(?:capacity|second|minute|connection|concurrency|global transaction) limit",
            r"(?:daily|hourly|monthly) (?:request|usage|capacity|transaction)",
            r"credits? (?:\S+ )?(?:limited|exceeded|exhausted|used up|depleted|expired|reached)",
            r"(?:out of|insufficient|not enough|no (?:more|remaining)) (?:api )?credits?\b",
            r"exceed\w* (?:your|its|the) (?:\S+ )?(?:throughput|capacity|usage|allowance|plan)\b",
            r"^(?:the )?limit exceeded\W*$",
            r"slow(?:ing)? down\b",
            r"code = resource ?exhausted\b",
        ),
        frozenset({429}),
    ),
    # Alchemy "Must be authenticated!"; geth node/jwt_handler.go "missing token"; besu UNAUTHORIZED;
    # erpc "not allowed to access"; publicnode "Archive requests require a personal token"
    Kind(
        "credentials",
        "no",
        (
            "must be authenticated",
            r"(?:un|not )authenticated",
            r"authentication (?:\S+ )?(?:required|failed|error|missing)",
            r"^(?:40[13] )?unauthori[sz]ed\b",
            r"unauthori[sz]ed (?:access|request|user|client|origin|ip|api|key|token|project)",
            r"^(?:403 )?forbidden\W*$",
            r"^access denied\W*$",
            r"access (?:is )?(?:denied|forbidden) (?:for|to|by)\b",
            (
                r"(?:invalid|missing|wrong|unknown|expired|bad|no|disabled|inactive"
                r"|incorrect) (?:\S+ )?"
                r"(?:api|access|project|jwt|auth\w*|bearer|app|secret) ?"
                r"(?:key|token|id|header|credentials?)\b"
            ),
            (
                r"(?:api key|access token|project id|jwt|token) (?:\S+ ){0,2}?(?:invalid|missing"
                r"|expired"
                r"|required|disabled|not (?:valid|found|provided|allowed)|inactive)\b"
            ),
            r"(?:missing|invalid|expired) token\b",
            r"not allowed to (?:access|use|call)\b",
            r"requires? an? (?:\S+ ){0,2}?(?:token|key|plan|account)\b",
            (
                r"(?:ip|origin|referer|domain) … (?:not in (?:\S+ )?(?:white|allow) ?list|banned"
                r"|blocked"
                r"|not allowed|denied)"
            ),
        ),
    ),
    # proxyd backend.go ErrBackendOffline, ErrRequestBodyTooLarge
    Kind("no_backend", "no", (r"backend (?:is |currently )*offline",)),
    Kind("request_too_large", "no", (r"request (?:body |size |entity )*(?:is )?too large",)),
    # go-ethereum core/txpool ErrTxPoolOverflow; nitro sequencer.go; proxyd ErrBackendOverCapacity;
    # openethereum "There are too many transactions in the queue"; erigon "… sub-pool is full";
    # conflux "Transaction Pool is full"; MegaETH "rabbit hole is full"; erpc "under too much load"
    Kind(
        "overloaded",
        "no",
        (
            (
                r"(?:pool|queue|mem ?pool|tx ?pool|buffer|backlog|rabbit hole) (?:\S+ )?(?:is "
                r"|are )?"
                r"(?:currently |temporarily )?(?:full|overflow\w*|saturated)\b"
            ),
            r"full (?:queue|pool)\b",
            r"(?:is|are|too|currently|server|node|system) (?:too )?busy\b",
            r"(?:over|at|exceeded|full) capacity\b",
            r"over ?load(?:ed)?\b",
            r"too many (?:\S+ ){0,2}?(?:txs|transactions?) in (?:the )?(?:queue|pool)",
            r"(?:transaction|tx|mem) ?pool (?:size )?limit\b",
            r"queue (?:size )?limit\b",
            r"(?:too much|high|heavy|under) load\b",
            r"resources? (?:\S+ )?exhausted\b",
        ),
    ),
    # nethermind TxPoolErrorMessages.NodeIsSyncing; besu TX_POOL_DISABLED and
    # CHAIN_HEAD_WORLD_STATE_NOT_AVAILABLE "Initial sync is still in progress"
    Kind(
        "syncing",
        "no",
        (
            rf"(?:still|is|are|currently|not finished|while|until) (?:\S+ )?{_SYNC}ing\b",
            rf"not (?:yet )?(?:fully )?(?:in sync|{_SYNC}ed)\b",
            "initial sync",
            r"sync(?:hroni[sz]ation|ing)? … (?:in progress|not (?:complete|finished))",
            rf"until (?:\S+ ){{0,2}}?{_SYNC}ed\b",
            "catching up",
            r"(?:node|server|client|chain|service) (?:is )?(?:not (?:yet )?ready|starting|warming)",
        ),
    ),
    # op-conductor rpc/api.go ErrNotLeader; nitro sequencer.go ErrNoSequencer; op-node "sequencer is
    # stopped"; zksync-era "server shutting down"
    Kind(
        "not_leader",
        "no",
        (
            "non leader",
            r"not (?:the |a |an )?(?:current |active )?(?:leader|sequencer|primary)\b",
            r"no (?:active |current )?(?:leader|sequencer)\b",
            r"leader (?:not|is not|unknown|lost)\b",
            (
                r"sequenc(?:er|ing) … (?:not (?:active|running|available|enabled|ready|started)"
                r"|in ?active|stopped|paused|halted|unavailable|disabled|offline|down|shut"
                r"|maintenance)\b"
            ),
            r"(?:standby|follower)\b",
            r"(?:under|in|for) maintenance\b",
            r"(?:chain|network|rollup) (?:is )?(?:\S+ )?(?:halted|paused|stopped)",
            r"(?:server|node|sequencer|service) (?:is )?shutting down",
        ),
    ),
    # Failed dials come before the words after which a request may have got through: Go net,
    # crypto/tls, crypto/x509, net/http; Rust hyper and reqwest; Java; libuv; glibc
    Kind(
        "forward_failed",
        "no",
        (
            r"dial(?:ing)? (?:tcp|udp|unix|error)",
            "connection refused",
            "econnrefused",
            "no such host",
            "no suitable address",
            "enotfound",
            "eai again",
            "getaddrinfo",
            r"name (?:resolution|or service)",
            "nodename nor servname",
            r"unknown ?host\b",
            r"dns (?:error|failure|lookup|name|resolution)",
            "failed to lookup address",
            r"lookup \S+ on\b",
            "server misbehaving",
            r"(?:network|host) is unreachable",
            "no route to host",
            "ehostunreach",
            "enetunreach",
            r"tls(?:: | handshake| error| alert| connect)",
            "x509: ",
            r"ssl(?:: | error| handshake| connect| routines| certificate)",
            r"(?:verify|invalid|bad|expired|untrusted|self signed) (?:the )?(?:peer |server )?cert",
            r"certificate (?:has expired|is (?:not|expired)|signed by|verif|unknown|required)",
            "tcp connect error",
            "error trying to connect",
            r"client error \(connect\)",
            r"(?:failed|unable|could not|cannot|can't) (?:to )?connect\b",
            r"connect(?:ion)? ?(?:phase )?time ?out",
            "proxyconnect",
            "gave http response to https",
            "unsupported protocol scheme",
            r"connect: ",
        ),
    ),
    # go-ethereum rpc/errors.go errMsgTimeout: the server gave up, and its handler goes on; besu
    # TIMEOUT_ERROR; nethermind "request was canceled due to enabled timeout"; dRPC 30 and 14
    Kind("node_timeout", "unknown", NODE_TIMEOUT),
    # In a node's words: op-reth SequencerClientError; mantle op-geth; nitro forwarder.go. In the
    # words of its HTTP client, returned unchanged: Go net/http and net/url, reqwest, alloy
    Kind("forward_failed", "unknown", FORWARD_FAILED),
    # proxyd ErrNoBackends (also returned after a backend took the request and ran out of time),
    # ErrNotHealthy, ErrBackendBadResponse, ErrBackendResponseTooLarge; dRPC nodecore
    # NoAvailableUpstreams; erpc ErrUpstreamsExhausted
    Kind(
        "no_backend",
        "unknown",
        (
            (
                r"(?:no|all|any|every) (?:\S+ ){0,3}?(?:backend|upstream|provider|endpoint|node"
                r"|server)s? (?:\S+ ){0,2}?(?:available|healthy|failed|found|alive|reachable"
                r"|unreachable|unavailable|online|down|exhausted|responded)\b"
            ),
            (
                r"(?:no|any) (?:available|healthy|live|alive|active|working|suitable) "
                r"(?:backend|upstream|provider|peer|endpoint|node|server)s?\b"
            ),
            (
                r"(?:backend|upstream|origin)s? … (?:not (?:currently )?healthy|unhealthy"
                r"|unavailable"
                r"|failed|failure|error|timeout|down|exhausted|returned|invalid)\b"
            ),
            (
                r"(?:providers|upstreams|backends|nodes) (?:\S+ ){0,2}?"
                r"(?:prevented|failed|errored|returned)\b"
            ),
            "bad gateway",
            r"service (?:is )?(?:temporarily |currently )?unavailable",
            "temporarily unavailable",
            r"code = unavailable\b",
            r"response (?:\S+ )?(?:is )?too (?:large|big)",
        ),
    ),
    # Only if nothing else is said: erigon begins its verdicts with "INTERNAL_ERROR: "
    Kind(
        "internal_error",
        "unknown",
        (
            (
                r"^(?:\w+[ :,.!]+){0,4}(?:internal (?:\w+ ){0,2}(?:error|failure|exception)"
                r"|internal"
                r"|server error|unknown error|unexpected error|something went wrong|error occurred)"
                rf"{_SMALL_TALK}$"
            ),
            "method handler crashed",
        ),
    ),
)
