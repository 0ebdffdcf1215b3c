"""What happened, as frozen records: the vocabulary of every other module. Pure."""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

Phase = Literal["dns", "dial", "proxy", "tls", "upgrade", "send", "answer"]
"""How far an attempt got: name look-up, TCP, a proxy (reaching it, or its CONNECT), TLS, the
WebSocket handshake, writing the request, and waiting for, reading and judging the answer."""

Delivered = Literal["no", "unknown", "yes"]
"""Whether the endpoint has the request: it cannot have it, it may have it, or it answered it."""

AttemptOutcome = Literal[
    "answered",
    "verdict",
    "failover",
    "outage",
    "refused",
    "unsupported",
    "found",
    "not_found",
    "lookup_failed",
    "interrupted",
    "abandoned",
]
"""``answered``: a result. ``verdict``: a JSON-RPC error that ended the call. ``failover``: an
outage, and the next endpoint was tried. ``outage``: one after which no endpoint was tried.
``refused``: the batch was too large, and smaller ones were sent to the same endpoint.
``unsupported``: the endpoint does not have ``eth_sendRawTransactionSync``, and was sent the
transaction by the usual method. ``found``, ``not_found`` and ``lookup_failed``: a look-up of the
transaction by its hash. ``interrupted``: by Ctrl-C. ``abandoned``: still open when another endpoint
had answered."""

ReasonCode = Literal[
    # Before the request left
    "dns_failed",  # the name does not resolve
    "dns_timeout",
    "no_resolver",  # this machine cannot look up names
    "refused",  # connection refused
    "no_route",  # host or network unreachable
    "dial_timeout",
    "dial_failed",  # any other system error
    "local_limit",  # this machine has no file descriptors, threads or memory left
    "proxy_unreachable",
    "proxy_refused",  # the proxy answered CONNECT, or the request, with an error of its own
    "tls_untrusted",
    "tls_expired",
    "tls_not_yet_valid",
    "tls_wrong_name",
    "tls_no_authorities",  # no CA certificates are installed on this machine
    "tls_failed",
    "tls_not_spoken",  # the port speaks plain HTTP
    "tls_wanted",  # the port expects TLS, but got plain HTTP
    "not_websocket",
    "websocket_wanted",  # the port expects WebSocket, but got plain HTTP
    # After it left
    "timeout",
    "closed",  # closed, reset or cut off
    "too_large",
    "not_http",
    "not_json",
    "html",
    "not_json_rpc",  # JSON, but not a JSON-RPC answer to this request
    "null_result",
    "wrong_result",  # a hash other than the transaction's
    # HTTP statuses
    "redirect",
    "unauthorized",  # 401, 403
    "not_found",  # 404, 410
    "not_allowed",  # 405
    "rate_limited",  # 429, or a node's message that says so
    "bad_gateway",  # 502, 503
    "gateway_timeout",  # 408, 504
    "server_error",  # any other 5xx
    "request_too_large",  # 413, or a proxy's message that says so
    "unknown_host",  # 403 for a host name that geth's --http.vhosts does not list
    "token_wanted",  # 401 from the engine port, which requires a JWT
    "http_error",  # any other status
    # What a node or proxy says in a JSON-RPC error
    "rejected",  # a verdict
    "no_such_method",
    "credentials",
    "no_backend",  # the proxy itself failed
    "overloaded",
    "syncing",
    "not_leader",  # or the sequencer is stopped
    "internal_error",
    "node_timeout",
    "forward_failed",
    # Decided by seqsend
    "batch_refused",
    "batch_shortened",  # the answer to its batch leaves it out
    "not_an_answer",  # a look-up that says neither "found" nor "not found"
    "interrupted",
    "abandoned",  # another endpoint answered first
]
"""Why an attempt failed, as a stable word; hints are chosen by it."""

FindingCode = Literal[
    # What kind of server it is
    "not_execution",  # it speaks JSON-RPC, but is not an execution endpoint
    "op_node",
    "op_conductor",
    "op_batcher",
    "beacon",
    "no_transactions",  # it does not take transactions
    "slow",  # not all questions were answered within the request timeout
    # Its chain
    "wrong_chain",  # not the required chain id
    "chain_differs",  # not the chain id of most endpoints
    "head_unknown",
    "head_old",
    "head_in_future",
    "head_behind",  # too far behind the highest head of its chain
    "safe_stuck",  # the safe head lies too far behind the head
    # Its sequencer's role
    "role_unknown",
    "none_active",
    "several_active",
]
"""What else `check` finds, as a stable word; hints are chosen by it, too."""

Level = Literal["preconfirmed", "latest", "safe", "finalized"]
"""How deep a transaction is in the chain. ``preconfirmed``: it has a receipt, but the head has not
reached its block yet. ``latest``: its block is in the chain. ``safe`` and ``finalized``: at least
as deep as the block with that tag (https://ethereum.github.io/execution-apis)."""

LEVELS: tuple[Level, ...] = ("preconfirmed", "latest", "safe", "finalized")
"""All levels, the deepest last."""

TakesTransactions = Literal["yes", "no", "inconclusive"]
"""Whether an endpoint takes transactions, as far as `check` can find out."""

Role = Literal["active", "standby", "unhealthy"]
"""What an endpoint's op-node or op-conductor says of its sequencer: it is ``active``, or it is on
``standby``; ``unhealthy`` if it says neither."""


class Address(NamedTuple):
    """A parsed URL. Each is parsed once, so this is what is dialled. See `seqsend.endpoints`."""

    scheme: str
    """In lower case."""
    host: str
    """As it is looked up: ASCII, in lower case, without brackets; an IPv6 address with its zone."""
    port: int
    path: str
    """At least ``/``; percent-encoded where HTTP requires it."""
    query: str
    """Percent-encoded like the path; empty without a query."""
    authorization: str | None
    """The Authorization header's value, made from the URL's userinfo; None without userinfo."""
    secrets: frozenset[str]
    """The parts of the URL that must not be shown, as given and percent-decoded."""

    def __repr__(self) -> str:
        """Show what is not secret."""
        return f"Address({self.scheme!r}, {self.host!r}, {self.port})"

    @property
    def is_secure(self) -> bool:
        """Whether the scheme uses TLS."""
        return self.scheme in ("https", "wss")

    @property
    def is_websocket(self) -> bool:
        """Whether the scheme uses WebSocket."""
        return self.scheme in ("ws", "wss")

    @property
    def server_name(self) -> str:
        """The host as it is written in a certificate and in a Host header.

        Without the zone, which means something on this machine only (RFC 6874, section 4), and
        without the final dot, which means something in DNS only.
        """
        return self.host.partition("%")[0].rstrip(".")

    @property
    def place(self) -> str:
        """Host and port, in the form for CONNECT (RFC 9110, section 9.3.6)."""
        name = self.server_name
        return f"[{name}]:{self.port}" if ":" in name else f"{name}:{self.port}"

    @property
    def authority(self) -> str:
        """The value of a Host header: `place` without a port that is the scheme's default."""
        default = f":{443 if self.is_secure else 80}"
        return self.place.removesuffix(default)

    @property
    def target(self) -> str:
        """Path and query, in the form for a request line (RFC 9112, section 3.2.1)."""
        return f"{self.path}?{self.query}" if self.query else self.path


class Endpoint(NamedTuple):
    """One address of the sequencer."""

    index: int  # type: ignore[assignment] # hides the method that every tuple has
    """Position in the list as the user wrote it, counted from 1."""
    total: int
    """How many endpoints that list has."""
    url: str
    """The address with its secrets. Never show it; show :attr:`redacted`."""
    redacted: str
    """The address with its secrets as ``***``."""
    address: Address
    """The parsed address, for the transports."""
    reads_only: bool = False
    """Used for reads only; never sent a transaction."""

    def __repr__(self) -> str:
        """Show what is not secret."""
        return f"Endpoint({self.index}, {self.redacted!r})"

    def __str__(self) -> str:
        if self.reads_only:
            return f"endpoint {self.index} (reads) {self.redacted}"
        return f"endpoint {self.index} of {self.total} {self.redacted}"


class Reply(NamedTuple):
    """What an endpoint answered, before it is judged."""

    status: int | None
    """HTTP status; None if the answer came in a WebSocket message."""
    body: bytes
    """Decompressed; for an error status at most its beginning."""
    location: str | None = None
    """Where a redirect points; it is shown and never followed."""
    retry_after: str | None = None
    """The header of that name, as sent."""
    content_type: str | None = None
    """The header of that name, as sent."""


class JsonRpcError(NamedTuple):
    """The ``error`` member of a JSON-RPC answer, unchanged."""

    code: int
    message: str
    data: Any = None


# Not a MappingProxyType: an attempt can be pickled.
_NO_TIMINGS: Mapping[Phase, float] = {}


class Attempt(NamedTuple):
    """One request to one endpoint and what became of it."""

    endpoint: Endpoint
    method: str
    outcome: AttemptOutcome
    phase: Phase
    """How far it got."""
    delivered: Delivered
    elapsed: float
    """Seconds from the start of the dial to the end."""
    reason: str | None = None
    """What was wrong, in one line without secrets; None if nothing was."""
    reason_code: ReasonCode | None = None
    """The same as a stable word."""
    http_status: int | None = None
    error: JsonRpcError | None = None
    """The JSON-RPC error that the endpoint answered, even if it did not decide the call."""
    timings: Mapping[Phase, float] = _NO_TIMINGS
    """Seconds that each finished phase took; there is no dial if the connection was kept alive."""
    batch: int = 1
    """How many transactions went out together."""
    tls_expires: float | None = None
    """When the endpoint's certificate expires, in seconds since 1970; known after a TLS dial."""
    round: int = 1
    """The round over the endpoints, counted from 1; later ones are retries."""
    retry_after: float | None = None
    """Seconds from its end until it may be tried again, as the endpoint asked (``Retry-After``)."""
    role: Role | None = None
    """The endpoint's role when the attempt ended; None if there is no op-node to ask."""


class Answer(NamedTuple):
    """The result of a call, which endpoint gave it, and everything that was tried."""

    result: Any
    endpoint: Endpoint
    attempts: tuple[Attempt, ...]
    elapsed: float
    """Seconds from the start of the call to its end."""

    @property
    def failovers(self) -> int:
        """How many times the call moved on to another endpoint."""
        return count_failovers(self.attempts)


class Sent(NamedTuple):
    """A transaction that the sequencer has, and how that is known."""

    hash: str
    """keccak-256 of the transaction, ``0x`` and 64 lower-case hex digits, computed here."""
    status: Literal["accepted", "known"]
    """``accepted``: an endpoint took it and answered with this hash. ``known``: the sequencer
    already had it, which a look-up by hash confirmed."""
    endpoint: Endpoint
    attempts: tuple[Attempt, ...]
    elapsed: float
    """Seconds from the start of the first attempt to the end of the last, look-ups included."""
    receipt: Mapping[str, Any] | None = None
    """The receipt, if ``eth_sendRawTransactionSync`` (EIP-7966) returned one; None otherwise."""

    @property
    def role(self) -> Role | None:
        """The role of the endpoint when it answered; None if it is not known."""
        return role_in(self.attempts, self.endpoint)

    @property
    def rounds(self) -> int:
        """The number of rounds over the endpoints."""
        return count_rounds(self.attempts)

    @property
    def failovers(self) -> int:
        """How many times the call moved on to another endpoint."""
        return count_failovers(self.attempts)


class NotSent(NamedTuple):
    """A run stopped before this transaction left: the run gave it to no endpoint."""

    attempts: tuple[Attempt, ...] = ()
    """Batches that held it and were refused as a whole, if any."""
    because: int | None = None
    """The number of the line at which the run stopped."""


class CallEnded(NamedTuple):
    """A call, or the submission of one transaction, has ended, successfully or not."""

    method: str
    succeeded: bool
    """It was answered with a result, or the sequencer is known to have the transaction."""
    endpoint: Endpoint | None
    """The one that gave the answer or the verdict; None if none did."""
    attempts: tuple[Attempt, ...]
    elapsed: float
    """Seconds, as in `Answer` and `Sent`."""
    preferred: Endpoint
    """The one that the next call tries first."""

    @property
    def failed_over(self) -> bool:
        """Whether the endpoint that answered is not the first one tried."""
        return self.endpoint is not None and self.endpoint != self.attempts[0].endpoint


class Preferred(NamedTuple):
    """Calls begin at ``endpoint`` from now on, after a failover or a failback."""

    endpoint: Endpoint


class Preference(NamedTuple):
    """The endpoint that an earlier run preferred to the first."""

    index: int  # type: ignore[assignment] # as in Endpoint
    """The endpoint's position, counted from 1."""
    age: float
    """Seconds since the failover."""


class WaitProgress(NamedTuple):
    """The state of a wait for a transaction, at its start and after each poll."""

    hash: str
    wanted: Level
    """The level to wait for."""
    level: Level | None
    """The level reached so far; None without a receipt."""
    receipt: Mapping[str, Any] | None
    elapsed: float
    """Seconds since it was first sent."""
    remaining: float
    """Seconds left to wait."""
    others: int = 0
    """How many other transactions are being waited for."""
    ended: bool = False
    """The wait is over: the level is reached, or there is no time left."""

    @property
    def is_reached(self) -> bool:
        """Whether the level to wait for is reached."""
        return is_at(self.level, self.wanted)


class EndpointRole(NamedTuple):
    """The role of an endpoint's sequencer."""

    endpoint: Endpoint
    role: Role
    reason: str | None = None
    """Why it is ``unhealthy``, in one line without secrets; None otherwise."""


class RolesAsked(NamedTuple):
    """The op-nodes of all endpoints were asked for their roles (``rollup_rpc``)."""

    roles: tuple[EndpointRole, ...]
    """One for each endpoint, in order."""
    elapsed: float
    """Seconds that this took."""

    @property
    def active(self) -> tuple[Endpoint, ...]:
        """The endpoints with an active sequencer: one, if all is well."""
        return tuple(each.endpoint for each in self.roles if each.role == "active")


Event = Attempt | CallEnded | Preferred | WaitProgress | RolesAsked
"""What an observer of a client is called with."""


def is_at(reached: Level | None, wanted: Level) -> bool:
    """Return whether a level is as deep as ``wanted``."""
    return reached is not None and LEVELS.index(reached) >= LEVELS.index(wanted)


def count_rounds(attempts: tuple[Attempt, ...]) -> int:
    """Return the number of rounds over the endpoints; 1 if nothing was tried."""
    return max((attempt.round for attempt in attempts), default=1)


def count_failovers(attempts: tuple[Attempt, ...]) -> int:
    """Return how many of ``attempts`` ended with a move to the next endpoint.

    An abandoned attempt did if a later one was answered.
    """
    outcomes = [attempt.outcome for attempt in attempts]
    moves = outcomes.count("failover")
    if "abandoned" in outcomes:
        answers = [at for at, outcome in enumerate(outcomes) if outcome in ("answered", "verdict")]
        moves += outcomes[: answers[-1]].count("abandoned") if answers else 0
    return moves


def role_in(attempts: tuple[Attempt, ...], endpoint: Endpoint) -> Role | None:
    """Return the role that ``endpoint`` had in the last of ``attempts`` that was made there."""
    there = (attempt.role for attempt in reversed(attempts) if attempt.endpoint == endpoint)
    return next(there, None)
