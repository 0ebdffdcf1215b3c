"""`SequencerClient`: what a program takes in hand. It puts the rooms below together."""

from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from seqsend.endpoints import WEBSOCKET, check_header, parse_endpoints, split_url
from seqsend.errors import UsageError
from seqsend.events import Answer, Endpoint, Sent
from seqsend.failover import Failover, Limits, Observer
from seqsend.jsonrpc import Call
from seqsend.quantities import LONGEST
from seqsend.rawtx import RawTransaction, parse_raw_transaction
from seqsend.shown import secrets_in_url
from seqsend.submission import submit
from seqsend.transports.base import Transport

MAX_RESPONSE_SIZE = 32 * 2**20
"""Bytes after decompression; the default."""


class SequencerClient:
    """Submits transactions and makes JSON-RPC calls over a list of sequencer endpoints.

    Synchronous and safe to share between threads: they share one pool of kept-alive connections
    and the preferred endpoint. It neither prints nor configures logging; it logs to ``seqsend``.

        with SequencerClient("http://seq1:8545,http://seq2:8545") as client:
            print(client.send_raw_transaction(raw).hash)
    """

    def __init__(
        self,
        endpoints: str | Iterable[str],
        *,
        dial_timeout: float = 5.0,
        request_timeout: float = 10.0,
        deadline: float | None = None,
        headers: Mapping[str, str] | None = None,
        strict_errors: bool = False,
        failback_after: float | None = None,
        cacert: str | None = None,
        max_response_size: int = MAX_RESPONSE_SIZE,
        observer: Observer | None = None,
    ) -> None:
        """Check everything that can be checked; nothing is dialled yet.

        Args:
            endpoints: URLs separated by commas, or several URLs. Tried in this order, cyclically.
                A WebSocket URL is the only one.
            dial_timeout: seconds for DNS, TCP over all addresses, and TLS, together.
            request_timeout: seconds for one whole attempt on one endpoint.
            deadline: seconds for a whole call, look-ups included; None for no other bound than
                the request timeout of each endpoint.
            headers: sent to every endpoint; their values are never shown.
            strict_errors: take every JSON-RPC error for the sequencer's verdict, also one that says
                "not from me" (a rate limit, a missing method, a node that is syncing).
            failback_after: seconds after a failover until endpoint 1 is tried first again; None
                for never, as op-reth does.
            cacert: path of the CA certificates to trust for https, instead of the system's.
            max_response_size: bytes, after decompression.
            observer: is called with each `Attempt` as it ends.

        Raises:
            UsageError: an argument is wrong.

        """
        times = {
            "dial_timeout": dial_timeout,
            "request_timeout": request_timeout,
            "deadline": deadline,
            "failback_after": failback_after,
        }
        for name, seconds in times.items():
            if seconds is not None and not 0 < seconds <= LONGEST:
                raise UsageError(f"{name} is {seconds}, not seconds up to 7 days", good="5.0")
        if max_response_size < 1:
            raise UsageError(
                f"max_response_size is {max_response_size}, not a number of bytes", good="1048576"
            )
        parsed = parse_endpoints(endpoints)
        checked = dict(check_header(*header) for header in (headers or {}).items())
        self._transport = _transport(parsed, checked, max_response_size, cacert)
        self._failover = Failover(
            parsed,
            self._transport,
            Limits(dial_timeout, request_timeout, deadline),
            secrets=_secrets(parsed, checked),
            strict_errors=strict_errors,
            failback_after=failback_after,
            observer=observer,
        )

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """The endpoints, in the order given."""
        return self._failover.endpoints

    @property
    def preferred(self) -> Endpoint:
        """The endpoint that the next call tries first."""
        return self._failover.preferred

    def request(
        self,
        method: str,
        params: Sequence[Any] | Mapping[str, Any] = (),
        *,
        retry_unsafe: bool = False,
    ) -> Answer:
        """Make one JSON-RPC call.

        ``retry_unsafe`` lets a method that is not idempotent (``eth_sendTransaction``) be sent to
        the next endpoint even when an endpoint before may have carried it out.

        Raises:
            Rejected: an endpoint answered with a JSON-RPC error.
            Unreachable: every endpoint failed and none can have received the request.
            DeliveryUnknown: every endpoint failed, and one may have received it.
            UsageError: the parameters cannot be encoded; nothing was sent.

        """
        given = dict(params) if isinstance(params, Mapping) else list(params)
        return self._failover.call(Call(method, given), retry_unsafe=retry_unsafe)

    def send_raw_transaction(self, raw: str | RawTransaction) -> Sent:
        """Submit one signed transaction, given as hex.

        Raises:
            Rejected: an endpoint refused it, and it is not there.
            Unreachable: every endpoint failed and none can have received it.
            DeliveryUnknown: it may have been delivered, and no look-up found it; sending the same
                bytes again is safe.
            UsageError: it is no signed transaction; nothing was sent.

        """
        transaction = parse_raw_transaction(raw) if isinstance(raw, str) else raw
        return submit(self._failover, transaction)

    def close(self) -> None:
        """Close every connection that was kept alive."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def _secrets(endpoints: Iterable[Endpoint], headers: Mapping[str, str]) -> frozenset[str]:
    """Return what a server's words must not carry onto a screen."""
    found = {secret for endpoint in endpoints for secret in secrets_in_url(endpoint.url)}
    sent = {split_url(endpoint.url).authorization or "" for endpoint in endpoints}
    for value in (*headers.values(), *sent):
        # Of `Bearer abc` a server may quote the second word alone.
        found |= {value, *value.split()[1:]}
    return frozenset(found)


def _transport(
    endpoints: Sequence[Endpoint], headers: Mapping[str, str], limit: int, cacert: str | None
) -> Transport:
    # Imported with the first client: requests costs more than all the rest of this package, and a
    # program that only parses, or prints its version, needs none of it.
    if endpoints[0].url.lower().startswith(WEBSOCKET):
        from seqsend.transports.websocket import WebSocketTransport

        return WebSocketTransport(endpoints[0], headers, max_response_size=limit, cacert=cacert)
    from seqsend.transports.http import HttpTransport

    return HttpTransport(endpoints, headers, max_response_size=limit, cacert=cacert)
