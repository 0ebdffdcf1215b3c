"""What happened, as frozen records: the words every other module uses. Pure, no I/O."""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

Phase = Literal["dns", "dial", "proxy", "tls", "upgrade", "send", "answer"]
"""How far an attempt came: name look-up, TCP, a proxy (that was not reached, or its CONNECT), TLS,
WebSocket's opening handshake, writing the request, and waiting for, reading and judging the
answer."""

Delivered = Literal["no", "unknown", "yes"]
"""Whether the endpoint can have received the request: it cannot, it may, it has answered it."""

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
"""``answered`` a result; ``verdict`` a JSON-RPC error that ended the call; ``failover`` an outage
after which the next endpoint was tried; ``outage`` one after which none was; ``refused`` a batch
that was too much, after which the same endpoint was asked with smaller ones; ``unsupported``
``eth_sendRawTransactionSync`` at an endpoint that was then sent it by the usual method; ``found``,
``not_found`` and ``lookup_failed`` what became of a look-up of the transaction by its hash;
``interrupted`` by Ctrl-C; ``abandoned`` one that was open when another endpoint had answered."""

ReasonCode = Literal[
    # Before the request left
    "dns_failed",  # the name does not resolve
    "dns_timeout",
    "no_resolver",  # this machine's own: it cannot look up names
    "refused",  # connection refused
    "no_route",  # host or network unreachable
    "dial_timeout",
    "dial_failed",  # another error of the system
    "local_limit",  # this machine's own: no file descriptors, no threads, no memory
    "proxy_unreachable",
    "proxy_refused",  # the proxy answered CONNECT, or the request, with an error of its own
    "tls_untrusted",
    "tls_expired",
    "tls_not_yet_valid",
    "tls_wrong_name",
    "tls_no_authorities",  # this machine trusts nobody: no CA certificates are installed
    "tls_failed",
    "tls_not_spoken",  # the port speaks plain HTTP
    "tls_wanted",  # the port speaks TLS, and was spoken to in plain HTTP
    "not_websocket",
    "websocket_wanted",  # the port speaks WebSocket, and was spoken to in plain HTTP
    # After it left
    "timeout",
    "closed",  # closed, reset or cut off
    "too_large",
    "not_http",
    "not_json",
    "html",
    "not_json_rpc",  # JSON, but no JSON-RPC answer to this request
    "null_result",
    "wrong_result",  # another hash than the transaction's own
    # HTTP statuses
    "redirect",
    "unauthorized",  # 401, 403
    "not_found",  # 404, 410
    "not_allowed",  # 405
    "rate_limited",  # 429, and a node's words for it
    "bad_gateway",  # 502, 503
    "gateway_timeout",  # 408, 504
    "server_error",  # any other 5xx
    "request_too_large",  # 413, and a proxy's words for it
    "unknown_host",  # 403 for a host name that geth's --http.vhosts does not list
    "token_wanted",  # 401 of the engine port, which wants a JWT
    "http_error",  # any other status
    # What a node or proxy says in a JSON-RPC error
    "rejected",  # a verdict
    "no_such_method",
    "credentials",
    "no_backend",  # a proxy's own trouble
    "overloaded",
    "syncing",
    "not_leader",  # or the sequencer is stopped
    "internal_error",
    "node_timeout",
    "forward_failed",
    # What became of it here
    "batch_refused",
    "batch_shortened",  # not answered in its batch
    "not_an_answer",  # a look-up that says neither "here it is" nor "not there"
    "interrupted",
    "abandoned",  # another endpoint answered first
]
"""Why an attempt failed, as a word that does not change; hints are chosen by it."""

FindingCode = Literal[
    # Of what listens there
    "not_execution",  # it speaks JSON-RPC, and is not an execution endpoint
    "op_node",
    "op_conductor",
    "op_batcher",
    "beacon",
    "no_transactions",  # it does not take any
    "slow",  # not all questions were answered within the request timeout
    # Of its chain
    "wrong_chain",  # another chain id than the required one
    "chain_differs",  # another chain id than most of the endpoints
    "head_unknown",
    "head_old",
    "head_in_future",
    "head_behind",  # the highest head of its chain
    "safe_stuck",  # the safe head lies too far behind the head
    # Of its sequencer's role
    "role_unknown",
    "none_active",
    "several_active",
]
"""What `check` finds besides, as a word that does not change; hints are chosen by it, too."""

Level = Literal["preconfirmed", "latest", "safe", "finalized"]
"""How deep a transaction is in the chain: ``preconfirmed`` it has a receipt, and its block is not
the head's yet; ``latest`` its block is in the chain; ``safe`` and ``finalized`` as deep as the
block of that tag."""

LEVELS: tuple[Level, ...] = ("preconfirmed", "latest", "safe", "finalized")
"""Each is deeper than the one before."""

TakesTransactions = Literal["yes", "no", "inconclusive"]
"""Whether an endpoint takes transactions, as far as it lets know."""

Role = Literal["active", "standby", "unhealthy"]
"""What the op-node or op-conductor of an endpoint says: its sequencer is the active one, or another
one is; ``unhealthy`` it does not say."""


class Address(NamedTuple):
    """A URL taken apart, once: what stands here is what is dialled. See `seqsend.endpoints`."""

    scheme: str
    """In lower case."""
    host: str
    """As it is looked up: ASCII, in lower case, without brackets; of IPv6 with its zone."""
    port: int
    path: str
    """At least ``/``, percent-encoded where HTTP wants it so."""
    query: str
    """Percent-encoded like the path; empty without a query."""
    authorization: str | None
    """The value of the header that the URL's userinfo stands for."""
    secrets: frozenset[str]
    """The parts of the URL that must not be shown, as given and percent-decoded."""

    def __repr__(self) -> str:
        """Show what is not secret."""
        return f"Address({self.scheme!r}, {self.host!r}, {self.port})"

    @property
    def is_secure(self) -> bool:
        """Whether TLS is spoken there."""
        return self.scheme in ("https", "wss")

    @property
    def is_websocket(self) -> bool:
        """Whether WebSocket is spoken there."""
        return self.scheme in ("ws", "wss")

    @property
    def server_name(self) -> str:
        """The host as its certificate and a Host header have it.

        A zone means something on this machine alone (RFC 6874, section 4), and a final dot in DNS.
        """
        return self.host.partition("%")[0].rstrip(".")

    @property
    def place(self) -> str:
        """Host and port, as CONNECT wants them (RFC 9110, section 9.3.6)."""
        name = self.server_name
        return f"[{name}]:{self.port}" if ":" in name else f"{name}:{self.port}"

    @property
    def authority(self) -> str:
        """The value of a Host header: `place` without a port that is the scheme's default."""
        default = f":{443 if self.is_secure else 80}"
        return self.place.removesuffix(default)

    @property
    def target(self) -> str:
        """Path and query, as they stand in a request line."""
        return f"{self.path}?{self.query}" if self.query else self.path


class Endpoint(NamedTuple):
    """One address of the sequencer."""

    index: int  # type: ignore[assignment] # in place of the method that every tuple has
    """Position in the list as the user wrote it, counted from 1."""
    total: int
    """How many endpoints that list has."""
    url: str
    """The address with everything in it that is secret. Never show it; show :attr:`redacted`."""
    redacted: str
    """The address with its secrets as ``***``."""
    address: Address
    """The address taken apart, for what dials it."""
    reads_only: bool = False
    """It is asked for what is only read, and never sent a transaction."""

    def __repr__(self) -> str:
        """Show what is not secret."""
        return f"Endpoint({self.index}, {self.redacted!r})"

    def __str__(self) -> str:
        if self.reads_only:
            return f"endpoint {self.index} (reads) {self.redacted}"
        return f"endpoint {self.index} of {self.total} {self.redacted}"


class Reply(NamedTuple):
    """What came back from an endpoint, not judged."""

    status: int | None
    """HTTP status; None where the answer came in a WebSocket message."""
    body: bytes
    """Decompressed; of an error status at most its beginning."""
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
    """How far it came."""
    delivered: Delivered
    elapsed: float
    """Seconds from the start of the dial to the end."""
    reason: str | None = None
    """What was wrong, in one line fit to be shown; None when nothing was."""
    reason_code: ReasonCode | None = None
    """The same as a word of a closed list."""
    http_status: int | None = None
    error: JsonRpcError | None = None
    """The JSON-RPC error the endpoint answered with, also where it did not decide the call."""
    timings: Mapping[Phase, float] = _NO_TIMINGS
    """Seconds each finished phase took. A connection that was kept alive has no dial in it."""
    batch: int = 1
    """How many transactions went out together."""
    tls_expires: float | None = None
    """When the endpoint's certificate expires, in seconds since 1970; known after a TLS dial."""
    round: int = 1
    """In which round over the endpoints, counted from 1; later ones are those of a retry."""
    retry_after: float | None = None
    """Seconds from its end after which the endpoint asked to be tried again (``Retry-After``)."""
    role: Role | None = None
    """The endpoint's when the attempt ended; None if there is no op-node to ask."""


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
    """What the endpoint answered with, if it was sent by ``eth_sendRawTransactionSync``."""

    @property
    def role(self) -> Role | None:
        """The role of the endpoint when it answered; None if it is not known."""
        return role_in(self.attempts, self.endpoint)

    @property
    def rounds(self) -> int:
        """Over how many rounds the attempts went."""
        return count_rounds(self.attempts)

    @property
    def failovers(self) -> int:
        """How many times the call moved on to another endpoint."""
        return count_failovers(self.attempts)


class NotSent(NamedTuple):
    """A run stopped before this transaction left; no endpoint can have it by this run."""

    attempts: tuple[Attempt, ...] = ()
    """Requests that carried it and were refused as a batch, if there were any."""
    because: int | None = None
    """The number of the line at which the run stopped."""


class CallEnded(NamedTuple):
    """A call, or the submission of one transaction, has ended, whichever way."""

    method: str
    succeeded: bool
    """It was answered with a result, or the sequencer is known to have the transaction."""
    endpoint: Endpoint | None
    """The one that gave the answer or the verdict; None where none did."""
    attempts: tuple[Attempt, ...]
    elapsed: float
    """Seconds, as in `Answer` and `Sent`."""
    preferred: Endpoint
    """The one that the next call tries first."""

    @property
    def failed_over(self) -> bool:
        """Whether another endpoint than the first one tried has answered."""
        return self.endpoint is not None and self.endpoint != self.attempts[0].endpoint


class Preferred(NamedTuple):
    """Calls begin at ``endpoint`` from now on: it answered after a failover, or again."""

    endpoint: Endpoint


class Preference(NamedTuple):
    """Where an earlier run had come to prefer another endpoint than the first."""

    index: int  # type: ignore[assignment] # as in Endpoint
    """Of the endpoint, counted from 1."""
    age: float
    """Seconds since the failover."""


class WaitProgress(NamedTuple):
    """How far a transaction is that was taken and is waited for: at first, and after each poll."""

    hash: str
    wanted: Level
    """The level that is waited for."""
    level: Level | None
    """The level that is reached; None without a receipt."""
    receipt: Mapping[str, Any] | None
    elapsed: float
    """Seconds since it was first sent."""
    remaining: float
    """Seconds that are left to wait."""
    others: int = 0
    """How many more transactions are waited for."""
    ended: bool = False
    """The wait is over: the level is reached, or there is no time left."""

    @property
    def is_reached(self) -> bool:
        """Whether the level that is waited for is reached."""
        return is_at(self.level, self.wanted)


class EndpointRole(NamedTuple):
    """The role of an endpoint's sequencer."""

    endpoint: Endpoint
    role: Role
    reason: str | None = None
    """Why it is ``unhealthy``, in one line fit to be shown; None otherwise."""


class RolesAsked(NamedTuple):
    """The op-nodes of all endpoints were asked for their roles (``rollup_rpc``)."""

    roles: tuple[EndpointRole, ...]
    """One for each endpoint, in order."""
    elapsed: float
    """Seconds."""

    @property
    def active(self) -> tuple[Endpoint, ...]:
        """The endpoints with an active sequencer: one, if all is well."""
        return tuple(each.endpoint for each in self.roles if each.role == "active")


Event = Attempt | CallEnded | Preferred | WaitProgress | RolesAsked
"""What an observer of a client is given."""


def is_at(reached: Level | None, wanted: Level) -> bool:
    """Return whether a level is as deep as ``wanted``."""
    return reached is not None and LEVELS.index(reached) >= LEVELS.index(wanted)


def count_rounds(attempts: tuple[Attempt, ...]) -> int:
    """Return over how many rounds ``attempts`` went; 1 if nothing was tried."""
    return max((attempt.round for attempt in attempts), default=1)


def count_failovers(attempts: tuple[Attempt, ...]) -> int:
    """Return how many of ``attempts`` ended with a move to the next endpoint.

    An abandoned one did if one that began after it was answered.
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
