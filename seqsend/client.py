"""`SequencerClient`, the entry point for programs; it wires up the packages below it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from types import TracebackType
from typing import Any, Self

from seqsend.arguments import check_arguments
from seqsend.configuration import (
    DIAL_TIMEOUT,
    MAX_RESPONSE_SIZE,
    REQUEST_TIMEOUT,
    check_times,
    configure,
)
from seqsend.errors import Interrupted, UsageError
from seqsend.failover.loop import Failover
from seqsend.failover.requester import Observer, Requester
from seqsend.jsonrpc import LONGEST_KNOWN, Call
from seqsend.models import LEVELS, Answer, Endpoint, Level, NotSent, Preference, Sent
from seqsend.verdicts.methods import SEND_METHODS

TYPE_CHECKING = False
if TYPE_CHECKING:
    # Imported at run time where they are used: a call that sends nothing needs none of them.
    from seqsend.sending.explaining import DryRun
    from seqsend.sending.stream import Stream
    from seqsend.sending.transaction import RawTransaction


class SequencerClient:
    """Submits transactions and makes JSON-RPC calls over a list of sequencer endpoints.

    Synchronous and safe to share between threads: they share one pool of kept-alive connections
    and the preferred endpoint. It neither prints nor configures logging; its logger is ``seqsend``.

        with SequencerClient("http://seq1:8545,http://seq2:8545") as client:
            print(client.send_raw_transaction(raw).hash)
    """

    def __init__(
        self,
        endpoints: str | Iterable[str],
        *,
        dial_timeout: float = DIAL_TIMEOUT,
        request_timeout: float = REQUEST_TIMEOUT,
        deadline: float | None = None,
        headers: Mapping[str, str] | None = None,
        endpoint_headers: Mapping[int, Mapping[str, str]] | None = None,
        reads_from: str | Iterable[str] | None = None,
        rollup_rpc: str | Iterable[str] | None = None,
        strict_errors: bool = False,
        failback_after: float | None = None,
        retry_for: float | None = None,
        hedge_after: float | None = None,
        begin_at: Preference | None = None,
        cacert: str | None = None,
        client_cert: str | None = None,
        client_key: str | None = None,
        max_response_size: int = MAX_RESPONSE_SIZE,
        observer: Observer | None = None,
    ) -> None:
        """Check all arguments; nothing is dialled yet.

        Args:
            endpoints: URLs separated by commas, or several URLs; tried in this order, cyclically.
                A WebSocket URL must be the only one.
            dial_timeout: seconds for DNS, TCP to all addresses of the name, and TLS together.
            request_timeout: seconds for one whole attempt on one endpoint.
            deadline: seconds for a whole call, look-ups included; None if only the request timeout
                of each endpoint limits it.
            headers: sent to every endpoint; their values are never shown.
            endpoint_headers: headers for one endpoint, by its position in the list, counted from
                1; they replace headers of the same name for every endpoint.
            reads_from: URLs to ask first for receipts and look-ups by hash; they are never sent a
                transaction. Their positions continue those of ``endpoints``.
            rollup_rpc: URLs of an op-node or op-conductor for each endpoint, in the same order.
                Before the first call and after each outage they are asked which sequencer is
                active, for at most ``dial_timeout``; calls begin at that endpoint. They never get
                the endpoints' headers.
            strict_errors: treat every JSON-RPC error as the sequencer's verdict, even one that only
                concerns the endpoint (a rate limit, a missing method, a node that is syncing).
            failback_after: seconds after a failover until endpoint 1 is tried first again; None
                for never, like op-reth.
            retry_for: seconds during which a call that no endpoint took is tried again, in rounds
                over the endpoints with growing pauses, if the same bytes may be sent again; None
                for one round.
            hedge_after: seconds without an answer after which the next endpoint is asked as well,
                if the call may be repeated; the first answer counts. 0 asks all at once; None asks
                one at a time.
            begin_at: the endpoint that an earlier run preferred, and for how long.
            cacert: path of the CA certificates to trust for https, instead of the system's.
            client_cert: path of the certificate to show to https endpoints that ask for one.
            client_key: path of its private key, if that is not in the same file.
            max_response_size: the most bytes of an answer, after decompression.
            observer: called with each `Attempt` and `CallEnded` as it ends, with `Preferred` when
                calls begin at another endpoint from now on, and with `WaitProgress` while a stream
                waits for receipts. With ``rollup_rpc``, it is called with `RolesAsked` each time
                the roles were asked for; those requests are neither attempts nor calls. Several
                threads may call it at once; what it raises is logged and stops nothing.

        Raises:
            UsageError: an argument is wrong.

        """
        check_arguments(
            failback_after=failback_after,
            retry_for=retry_for,
            hedge_after=hedge_after,
            strict_errors=strict_errors,
            observer=observer,
            begin_at=begin_at,
        )
        # Only hedge_after may be zero.
        check_times(
            failback_after=failback_after, retry_for=retry_for, hedge_after=hedge_after or None
        )
        configuration = configure(
            endpoints,
            dial_timeout=dial_timeout,
            request_timeout=request_timeout,
            deadline=deadline,
            headers=headers,
            endpoint_headers=endpoint_headers,
            cacert=cacert,
            client_cert=client_cert,
            client_key=client_key,
            reads_from=reads_from,
            rollup_rpc=rollup_rpc,
            max_response_size=max_response_size,
        )
        self._transport = configuration.transport(*configuration.all_endpoints)
        requester = Requester(
            self._transport,
            configuration.limits,
            secrets=configuration.secrets,
            strict_errors=strict_errors,
            observer=observer,
        )
        if begin_at is not None and not 1 <= begin_at.index <= len(configuration.endpoints):
            raise UsageError(
                f"begin_at: there is no endpoint {begin_at.index}", example="Preference(1, age=0.0)"
            )
        self._roles = configuration.roles(requester.notify)
        self._failover = Failover(
            configuration.endpoints,
            requester,
            readers=configuration.readers,
            failback_after=failback_after,
            retry_for=retry_for,
            hedge_after=hedge_after,
            begin_at=begin_at,
            roles=self._roles,
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
        """Make one JSON-RPC call; ``params`` is a list, or a mapping of parameters by name.

        ``retry_unsafe`` sends a method that is not idempotent (``eth_sendTransaction``) to the next
        endpoint even if an earlier one may have carried it out.

        Raises:
            Rejected: an endpoint answered with a JSON-RPC error.
            Unreachable: every endpoint failed and none can have received the request.
            DeliveryUnknown: every endpoint failed, and one may have received it.
            UsageError: an argument is of the wrong type, or the parameters cannot be encoded;
                nothing was sent.
            Interrupted: Ctrl-C; it holds the attempts that were made.

        """
        check_arguments(method=method, retry_unsafe=retry_unsafe)
        if isinstance(params, str | bytes | bytearray | memoryview) or not isinstance(
            params, Sequence | Mapping
        ):
            raise UsageError("params are a list or a mapping", example='["latest", False]')
        call = Call(
            method,
            dict(params) if isinstance(params, Mapping) else list(params),
            longest_answer=LONGEST_KNOWN if method in SEND_METHODS else None,
        )
        return self._failover.call(call, retry_unsafe=retry_unsafe)

    def send_raw_transaction(
        self,
        raw: "str | RawTransaction",
        *,
        conditions: Mapping[str, Any] | None = None,
        chain_id: int | None = None,
        explain: bool = False,
    ) -> Sent:
        """Submit one signed transaction, given as hex or already parsed.

        With ``conditions`` it is sent by ``eth_sendRawTransactionConditional`` (EIP-7796). With
        ``chain_id`` it is refused if it is signed for another chain. With ``explain``, a rejected
        transaction is compared with the state of the chain; the result is the error's
        ``explanation``, and takes up to another request timeout.

        Raises:
            Rejected: an endpoint refused it, and the sequencer does not have it.
            Unreachable: every endpoint failed and none can have received it.
            DeliveryUnknown: it may have been delivered, but no look-up found it; sending the same
                bytes again is safe.
            UsageError: it is not a signed transaction, or is signed for another chain; nothing was
                sent.
            Interrupted: Ctrl-C; it holds the attempts that were made.

        """
        from seqsend.sending.sender import Sender

        check_arguments(conditions=conditions, chain_id=chain_id, explain=explain)
        transaction = _parser(chain_id)(raw)
        (end,), interrupted, _ = Sender(self._failover, conditions, explains=explain).send(
            [transaction]
        )
        # The signal came before the transaction left, on its way, or together with the answer. It
        # must not be lost; the attempts say whether there is an answer.
        if isinstance(end, NotSent) or (interrupted and isinstance(end, Sent)):
            raise Interrupted(*end.attempts)
        if isinstance(end, Sent):
            return end
        raise end

    def stream(
        self,
        *,
        batch_size: int = 1,
        in_flight: int = 1,
        keep_going: bool = False,
        conditions: Mapping[str, Any] | None = None,
        chain_id: int | None = None,
        explain: bool = False,
        wait: float | None = None,
        wait_for: Level = "latest",
        sync: bool = False,
    ) -> "Stream":
        """Return a `Stream` that sends many transactions, one by one or in JSON-RPC batches.

        Up to ``in_flight`` requests are under way at once, each in its own thread; one sender's
        transactions keep their order, one request after another.
        The first transaction that is neither accepted nor known stops the run, unless
        ``keep_going``. With ``conditions``, all are sent by ``eth_sendRawTransactionConditional``
        (EIP-7796). With ``chain_id``, a transaction that is signed for another chain ends as a
        usage error and is not sent. With ``explain``, each rejected transaction is compared with
        the state of the chain.
        ``wait`` is how many seconds to wait for each receipt, until its block is as deep in the
        chain as ``wait_for``; None does not wait. With ``sync`` they are sent by
        ``eth_sendRawTransactionSync`` (EIP-7966), which returns the receipt; endpoints without that
        method get them as usual.

        Raises:
            UsageError: ``batch_size`` is below 1, ``in_flight`` not from 1 to 256, ``wait`` not
                above 0 and up to 7 days, ``wait_for`` is not a level, ``sync`` is combined with
                conditions or a batch, or an argument is of the wrong type.

        """
        from seqsend.sending.sender import Sender
        from seqsend.sending.stream import MOST_IN_FLIGHT, Stream

        check_arguments(
            batch_size=batch_size,
            in_flight=in_flight,
            keep_going=keep_going,
            conditions=conditions,
            chain_id=chain_id,
            explain=explain,
            wait=wait,
            wait_for=wait_for,
            sync=sync,
        )
        if batch_size < 1:
            raise UsageError(f"batch_size is {batch_size}, but must be 1 or more", example="100")
        if not 1 <= in_flight <= MOST_IN_FLIGHT:
            raise UsageError(f"in_flight is {in_flight}, not 1 to {MOST_IN_FLIGHT}", example="32")
        check_times(wait=wait)
        if wait_for not in LEVELS:
            raise UsageError(f"{wait_for!r} is not a level", example=", ".join(LEVELS))
        if sync and (conditions is not None or batch_size > 1):
            raise UsageError("sync excludes conditions and batches", example="sync=True")
        sender = Sender(self._failover, conditions, explains=explain, sync=sync)
        awaiting = None
        if wait is not None:
            from seqsend.sending.receipts import Receipts  # most do not wait

            awaiting = Receipts(self._failover, wait, wait_for, sender.again)
        send, parse = sender.send, _parser(chain_id)
        if in_flight == 1:
            return Stream(
                send, size=batch_size, keep_going=keep_going, awaiting=awaiting, parse=parse
            )
        from seqsend.sending.in_flight import InFlight  # few streams need it

        return InFlight(
            send, in_flight, size=batch_size, keep_going=keep_going, awaiting=awaiting, parse=parse
        )

    def dry_run(self, *, chain_id: int | None = None) -> "DryRun":
        """Return a `DryRun`, which compares transactions with the chain, in order, and sends none.

        With ``chain_id``, a transaction that is signed for another chain is a usage error.

        Raises:
            UsageError: ``chain_id`` is not a whole number.

        """
        from seqsend.sending.explaining import DryRun, ask_in_one_round

        check_arguments(chain_id=chain_id)
        return DryRun(partial(ask_in_one_round, self._failover), _parser(chain_id))

    def close(self) -> None:
        """Close all connections that were kept alive."""
        self._transport.close()
        if self._roles is not None:
            self._roles.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def _parser(chain_id: int | None) -> "Callable[[str | RawTransaction], RawTransaction]":
    """Return the parser of transactions; given a chain id, it refuses those for other chains."""
    if chain_id is None:
        from seqsend.sending.transaction import parse_raw_transaction

        return parse_raw_transaction
    from seqsend.sending.decoding import parse_for_chain

    return partial(parse_for_chain, chain_id=chain_id)
