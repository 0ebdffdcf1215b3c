"""The library with several threads and processes, and with all kinds of observers."""

import concurrent.futures
import multiprocessing
import pickle
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import seqsend
from seqsend import Line, SeqsendError, SequencerClient
from seqsend.diagnosis.report import Diagnosis
from tests.support.calls import respond
from tests.support.servers import Replying, Request, Silent, dead, http, jsonrpc_error
from tests.support.servers import jsonrpc_result as result
from tests.support.wallet import Wallet

SIGNED = Wallet(0).sign(2, nonce=0, value=1)
HEAD = {"number": "0x10", "timestamp": "0x6553f100", "baseFeePerGas": "0x1"}


def _node(request: Request) -> bytes:
    """Answer as a node that accepts transactions; method `no` and transaction `0x` fail."""
    if not request.body:
        return http(404, b"")
    if isinstance(request.json, list):
        return respond(request, [{"result": "0x1"}] * len(request.json))
    method = request.json["method"]
    if method == "eth_sendRawTransaction" and request.json["params"] == ["0x"]:
        return jsonrpc_error(request, -32000, "typed transaction too short")
    if method == "no":
        return jsonrpc_error(request, -32000, "no", data={"a": [1]})
    known = {"eth_sendRawTransaction": SIGNED.hash, "eth_getBlockByNumber": HEAD}
    return result(request, known.get(method, "0x1"))


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with Replying(_node) as server:
        yield server.url


def _answer(url: str) -> object:
    return SequencerClient(url).request("eth_chainId")


def _sent(url: str) -> object:
    return SequencerClient(url).send_raw_transaction(SIGNED.raw)


def _ended(url: str) -> object:
    return list(SequencerClient(url).stream().run([Line(1, SIGNED.raw), Line(2, "0x")]))


def _diagnosis(url: str) -> object:
    return seqsend.check(url)


def _explanation(url: str) -> object:
    return SequencerClient(url).dry_run().assess(SIGNED.raw)


def _rejected(url: str) -> object:
    return SequencerClient(url).request("no")


def _unreachable(_url: str) -> object:
    return SequencerClient("http://127.0.0.1:1").request("m")


def _unknown(url: str) -> object:
    return SequencerClient(url, max_response_size=1).send_raw_transaction(SIGNED.raw)


def _usage(_url: str) -> object:
    return seqsend.parse_raw_transaction("0x")


RESULTS = (_answer, _sent, _ended, _diagnosis, _explanation)
ERRORS = {
    _rejected: seqsend.Rejected,
    _unreachable: seqsend.Unreachable,
    _unknown: seqsend.DeliveryUnknown,
    _usage: seqsend.UsageError,
}


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_results_and_errors_come_back_from_a_pool_of_processes(method: str, url: str) -> None:
    context = multiprocessing.get_context(method)
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:
        for function in RESULTS:
            found = pool.submit(function, url).result(20)
            assert type(found) is type(function(url))
        for failing, error in ERRORS.items():
            with pytest.raises(error) as caught:
                pool.submit(failing, url).result(20)
            assert isinstance(caught.value, SeqsendError)
            assert str(caught.value)


@pytest.mark.parametrize("function", RESULTS)
def test_every_record_can_be_pickled(function: Callable[[str], object], url: str) -> None:
    found = function(url)
    again = pickle.loads(pickle.dumps(found))
    if function is _ended:  # an error equals itself alone
        assert [each.hash for each in again] == [each.hash for each in found]  # type: ignore[attr-defined]
    elif isinstance(found, Diagnosis):
        assert again.endpoints == found.endpoints
    else:
        assert again == found


def test_a_closed_client_connects_again_for_the_next_call() -> None:
    with Replying(_node) as server:
        client = SequencerClient(server.url)
        client.request("m")
        for _ in range(3):
            client.close()
            assert client.request("m").result == "0x1"
        assert server.connections == 4


class _Stop(BaseException):
    """Ends a program, but is not an `Exception`."""


def _raising_once(raised: type[BaseException]) -> Callable[[object], None]:
    events: list[object] = []

    def observe(event: object) -> None:
        events.append(event)
        if len(events) == 1:
            raise raised

    return observe


@pytest.mark.parametrize("raised", [SystemExit, _Stop, GeneratorExit])
def test_an_exception_that_ends_the_program_passes_through_from_an_observer(
    raised: type[BaseException], url: str
) -> None:
    client = SequencerClient(url, observer=_raising_once(raised))
    with pytest.raises(raised):
        client.send_raw_transaction(SIGNED.raw)


@pytest.mark.parametrize("send", [True, False])
def test_ctrl_c_in_an_observer_keeps_the_answered_attempt(
    send: bool,  # noqa: FBT001
    url: str,
) -> None:
    client = SequencerClient(url, observer=_raising_once(KeyboardInterrupt))
    with pytest.raises(seqsend.Interrupted) as caught:
        client.send_raw_transaction(SIGNED.raw) if send else client.request("m")
    assert [attempt.outcome for attempt in caught.value.attempts] == ["answered"]


@pytest.mark.parametrize("raised", [Exception, MemoryError, RecursionError, StopIteration])
def test_an_error_in_an_observer_does_not_stop_a_send(raised: type[Exception], url: str) -> None:
    def observe(_event: object) -> None:
        raise raised

    assert SequencerClient(url, observer=observe).send_raw_transaction(SIGNED.raw).hash


def test_an_observer_that_blocks_delays_no_other_thread(url: str) -> None:
    blocked, release = threading.Event(), threading.Event()
    first = threading.get_ident()

    def observe(_event: object) -> None:
        if threading.get_ident() != first:
            blocked.set()
            release.wait(10)

    with SequencerClient(url, observer=observe) as client:
        thread = threading.Thread(target=client.request, args=("m",))
        thread.start()
        assert blocked.wait(10)
        assert [client.request("m").result for _ in range(3)] == ["0x1"] * 3
        release.set()
        thread.join()


def _use_inherited(client: SequencerClient, queue: Any) -> None:
    queue.put(client.request("m").result)


def test_a_fork_while_other_threads_make_calls_does_not_deadlock_the_child(url: str) -> None:
    """The child waits for no lock that another thread held during the fork."""
    with Silent() as silent, dead() as nobody:
        # Some threads wait for an answer; others connect again and again.
        clients = [
            SequencerClient([silent.url, url], request_timeout=1),
            SequencerClient([nobody.url, url], request_timeout=1),
        ]
        stopped = threading.Event()

        def call(client: SequencerClient) -> None:
            while not stopped.is_set():
                client.request("m")

        threads = [threading.Thread(target=call, args=(client,)) for client in clients * 2]
        for thread in threads:
            thread.start()
        context = multiprocessing.get_context("fork")
        queue = context.Queue()
        try:
            for _ in range(5):
                child = context.Process(target=_use_inherited, args=(clients[1], queue))
                child.start()
                assert queue.get(timeout=10) == "0x1"
                child.join(10)
                assert child.exitcode == 0
        finally:
            stopped.set()
            for thread in threads:
                thread.join()
