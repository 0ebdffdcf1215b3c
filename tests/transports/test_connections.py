"""Ways to an endpoint: addresses side by side, proxies, forks, signals, and a machine's limits."""

import errno
import json
import os
import resource
import select
import signal
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import pytest

from seqsend import SequencerClient, check
from seqsend.endpoints import parse_endpoints
from seqsend.errors import EndpointFailure, Interrupted
from seqsend.models import Reply
from seqsend.transports.base import Deadline, Exchange
from seqsend.transports.http import HttpTransport
from seqsend.transports.websocket import WebSocketTransport
from seqsend.waiting import SignalReceived, Signals
from tests.support.certificates import Authority
from tests.support.moments import count_connections, until
from tests.support.servers import (
    Address,
    Closing,
    Replying,
    Request,
    Server,
    Silent,
    StallingTLS,
    blackhole,
    dead,
    http,
    jsonrpc_error,
    jsonrpc_result,
)
from tests.support.ws import answering, serving
from tests.transports.test_http import OVERRUN, answer, one_attempt

NAME = "http://seq.example:8545"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


def exchange_once(
    url: str,
    *,
    headers: dict[int, dict[str, str]] | None = None,
    seconds: float = 5.0,
    body: bytes = b"{}",
    **options: Any,
) -> Reply | EndpointFailure:
    """Return how one exchange with one endpoint ended, before it is judged."""
    (endpoint,) = parse_endpoints(url)
    kind: Any = WebSocketTransport if endpoint.address.is_websocket else HttpTransport
    given = endpoint if endpoint.address.is_websocket else [endpoint]
    transport = kind(given, headers or {}, max_response_size=2**20, **options)
    by = Deadline.after(seconds, "request timeout")
    try:
        reply: Reply = transport.exchange(endpoint, body, Exchange(by, by))
    except EndpointFailure as failure:
        return failure
    finally:
        transport.close()
    return reply


# Addresses


@contextmanager
def resolving_to(*servers: Address | Server, after: float = 0.0) -> Iterator[None]:
    """Make every name resolve to ``servers``; only the resolver is a mock, the sockets are real."""
    found = [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", server.port))
        for server in servers
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", lambda *_args, **_named: found)
        yield


def test_a_dead_first_address_costs_a_quarter_of_a_second() -> None:
    with blackhole() as hole, Replying(answer) as server, resolving_to(hole, server):
        attempt = one_attempt(NAME, dial_timeout=5)
    assert attempt.outcome == "answered"
    assert 0.25 <= attempt.timings["dial"] <= 0.25 + OVERRUN


def test_after_an_address_that_refuses_the_next_is_tried_at_once() -> None:
    with dead() as nobody, Replying(answer) as server, resolving_to(nobody, nobody, server):
        attempt = one_attempt(NAME)
    assert attempt.outcome == "answered"
    assert attempt.timings["dial"] < 0.2


def test_all_addresses_share_the_dial_timeout() -> None:
    with blackhole() as hole, dead() as nobody, resolving_to(hole, nobody, hole, hole):
        attempt = one_attempt(NAME, dial_timeout=0.6)
    assert attempt.reason == "connection refused; connection timed out (dial timeout 600ms)"
    assert (attempt.phase, attempt.delivered) == ("dial", "no")
    assert 0.6 <= attempt.elapsed <= 0.6 + OVERRUN


def test_sockets_still_dialling_are_closed_once_another_connects() -> None:
    before = len(os.listdir("/proc/self/fd"))
    with ExitStack() as stack:
        hole = stack.enter_context(blackhole())
        server = stack.enter_context(Replying(answer))
        stack.enter_context(resolving_to(hole, hole, server))
        with SequencerClient(NAME) as client:
            held = len(os.listdir("/proc/self/fd"))
            client.request("eth_chainId")
            # The client's end and the server's.
            until(lambda: len(os.listdir("/proc/self/fd")) <= held + 2)
    until(lambda: len(os.listdir("/proc/self/fd")) <= before)


def test_address_families_take_turns() -> None:
    from seqsend.transports.dialling import _alternating

    six, four = socket.AF_INET6, socket.AF_INET
    found: list[Any] = [(f, 1, 6, "", n) for n, f in enumerate((six, six, six, four, four))]
    assert [(a[0], a[4]) for a in _alternating(found)] == [
        (six, 0), (four, 3), (six, 1), (four, 4), (six, 2),
    ]  # fmt: skip


def test_a_name_without_addresses_does_not_resolve() -> None:
    with resolving_to():
        attempt = one_attempt(NAME)
    assert (attempt.reason, attempt.delivered) == ("name does not resolve", "no")


def test_a_zone_is_an_interface_of_this_machine() -> None:
    attempt = one_attempt("http://[fe80::1%25nosuch0]:8545")
    assert attempt.reason == "no network interface of that name on this machine"
    assert attempt.delivered == "no"


@pytest.mark.parametrize("spelling", ["127.1", "0x7f.1", "2130706433"])
def test_odd_spellings_of_an_address_reach_it(spelling: str) -> None:
    with Replying(answer) as server:
        assert one_attempt(f"http://{spelling}:{server.port}").outcome == "answered"


# Reasons

CODES: dict[str, tuple[str, Callable[[], Any]]] = {
    "refused": ("http", dead),
    "dial_timeout": ("http", blackhole),
    "timeout": ("http", Silent),
    "closed": ("http", lambda: Closing(after="request", how="fin")),
    "closed by a reset": ("http", lambda: Closing(after="request", how="rst")),
    "closed in the middle": (
        "http",
        lambda: Closing(after="request", how="fin", partial=http(200, b"{}")[:-1]),
    ),
    "too_large": ("http", lambda: Replying(http(200, b"x" * 2**20 + b"x"))),
    "not_http": ("http", lambda: Closing(after="request", how="fin", partial=b"SSH-2.0\r\n")),
    "not_http if it cannot be inflated": (
        "http",
        lambda: Replying(http(200, b"no gzip", {"Content-Encoding": "gzip"})),
    ),
    "tls_wanted": (
        "http",
        lambda: Closing(after="request", how="fin", partial=b"\x15\x03\x01\x00\x02\x02\x46"),
    ),
    "tls_not_spoken": (
        "https",
        lambda: Closing(after="accept", how="fin", partial=http(400, b"")),
    ),
    "tls_failed": ("https", lambda: Closing(after="accept", how="fin")),
    "tls_failed in time": ("https", StallingTLS),
    "timeout of a handshake": ("ws", Silent),
    "unauthorized": ("ws", lambda: Replying(http(401, b""))),
    "rate_limited": ("ws", lambda: Replying(http(429, b""))),
    "redirect": ("ws", lambda: Replying(http(301, b"", {"Location": "ws://other"}))),
    "not_websocket": ("ws", lambda: Replying(http(200, b"{}"))),
    "not_http by a WebSocket": (
        "ws",
        lambda: Closing(after="request", how="fin", partial=b"SSH-2.0\r\n\r\n"),
    ),
}


@pytest.mark.parametrize("what", CODES)
def test_every_failure_has_its_reason_code(what: str) -> None:
    scheme, start = CODES[what]
    with start() as server:
        failure = exchange_once(server.url.replace("http", scheme, 1), seconds=0.4)
    assert isinstance(failure, EndpointFailure)
    assert failure.reason_code == what.partition(" ")[0]


# Limits of the machine


def test_without_a_thread_for_dns_the_endpoint_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr("seqsend.threads.threading.Thread.start", refuse)
        failure = exchange_once(NAME)
    assert isinstance(failure, EndpointFailure)
    assert failure.reason_code == "local_limit"


def test_check_needs_no_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with dead() as one, dead() as other, monkeypatch.context() as patch:
        patch.setattr("seqsend.threads.threading.Thread.start", refuse)
        reports = check(f"{one.url},{other.url}").endpoints
    assert [report.reason for report in reports] == ["connection refused"] * 2


@pytest.mark.parametrize("function", ["http.read_body", "connections.dial"])
def test_a_machine_out_of_memory_is_an_outage(
    function: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_args: object) -> None:
        raise MemoryError

    monkeypatch.setattr(f"seqsend.transports.{function}", fail)
    with Replying(http(200, b"{}")) as server:
        failure = exchange_once(server.url)
    assert isinstance(failure, EndpointFailure)
    assert (failure.reason, failure.reason_code) == ("this machine is out of memory", "local_limit")


@pytest.mark.parametrize("function", ["judge_reply", "scrub_json"])
def test_too_little_memory_to_judge_an_answer_is_an_outage(
    function: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_args: object, **_named: object) -> None:
        raise MemoryError

    monkeypatch.setattr(f"seqsend.failover.requester.{function}", fail)
    with Replying(lambda request: jsonrpc_error(request, -32000, "no")) as server:
        attempt = one_attempt(server.url)
    assert (attempt.reason_code, attempt.delivered) == ("local_limit", "unknown")


def test_descriptors_above_1024_work(authority: Authority) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 1200:
        pytest.skip("this machine does not allow that many descriptors")
    with ExitStack() as stack:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 1200), hard))
        stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        secure = stack.enter_context(Replying(answer, tls=authority.context()))
        websocket = stack.enter_context(serving(answering(lambda _: b"{}")))
        while stack.enter_context(open("/dev/null", "rb")).fileno() <= 1024:
            pass
        url = secure.url.replace("http", "https")
        assert one_attempt(url, cacert=authority.pem).outcome == "answered"
        assert isinstance(exchange_once(websocket), Reply)


def test_a_process_without_descriptors_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_args: object) -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr("seqsend.transports.dialling.socket.socket", fail)
    failure = exchange_once("http://127.0.0.1:9")
    assert isinstance(failure, EndpointFailure)
    assert failure.reason == "too many open files on this machine"
    assert failure.reason_code == "local_limit"


# Forks


@pytest.mark.parametrize("kind", ["http", "https", "ws"])
def test_a_child_leaves_its_parents_connections_alone(kind: str, authority: Authority) -> None:
    """Two processes on one connection would get each other's answers."""
    with ExitStack() as stack:
        connections: list[object] = []
        if kind == "ws":

            def handle(connection: Any) -> None:
                connections.append(connection)
                ws_answer(connection)

            url = stack.enter_context(serving(handle))
        else:
            tls = authority.context() if kind == "https" else None
            server = stack.enter_context(Replying(answer, tls=tls))
            url = server.url.replace("http", kind, 1)
        client = stack.enter_context(SequencerClient(url, cacert=authority.pem))
        client.request("m")
        child = os.fork()
        if child == 0:
            code = 1
            with suppress(BaseException):
                dialled = "dial" in client.request("m").attempts[0].timings
                client.close()  # without a farewell on its parent's connection
                code = 0 if dialled else 2
            os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert "dial" not in client.request("m").attempts[0].timings
        assert (len(connections) if kind == "ws" else server.connections) == 2


def ws_answer(connection: Any) -> None:
    for message in connection:
        request = json.loads(message)
        connection.send(json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": "0x1"}))


# Signals


@contextmanager
def hit_by_a_signal(when: Callable[[], object]) -> Iterator[None]:
    """Send this process's main thread a signal as soon as ``when`` holds."""
    main = threading.get_ident()

    def hit() -> None:
        until(when)
        signal.pthread_kill(main, signal.SIGUSR1)

    with Signals([signal.SIGUSR1]):
        thread = threading.Thread(target=hit)
        thread.start()
        yield
        thread.join()


def test_a_signal_ends_the_wait_for_an_answer_and_closes_the_connection() -> None:
    class SilentAtFirst(Server):
        def handle(self, connection: socket.socket) -> None:
            while (request := self.read_request(connection)) is not None:
                if len(self.requests) == 2:
                    self.left.set()
                    assert connection.recv(1) == b""  # the client has closed
                    self.closed.set()
                    return
                connection.sendall(answer(request))

        left, closed = threading.Event(), threading.Event()

    with SilentAtFirst() as server, SequencerClient(server.url) as client:
        client.request("m")
        with hit_by_a_signal(server.left.is_set), pytest.raises(Interrupted) as caught:
            client.request("m")
        assert caught.value.attempts[0].delivered == "unknown"
        assert server.closed.wait(5)
        assert client.request("m").result == "0x1"
        assert server.connections == 2


@pytest.mark.parametrize("what", ["dns", "dial", "tls", "upgrade", "send"])
def test_a_signal_ends_every_other_wait(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = threading.Event()
    release = threading.Event()

    def hang(*_args: object, **_named: object) -> list[Any]:
        asked.set()
        release.wait(20)
        return []

    with ExitStack() as stack:
        stack.callback(release.set)
        if what == "dns":
            monkeypatch.setattr(socket, "getaddrinfo", hang)
            url, when = NAME, asked.is_set
        elif what == "dial":
            hole = stack.enter_context(blackhole())
            url = hole.url
            when = lambda: count_connections("SYN_SENT", hole.port) > hole.waiting  # noqa: E731
        else:
            server = stack.enter_context(Silent() if what == "upgrade" else Deaf())
            scheme = {"tls": "https", "upgrade": "ws", "send": "http"}[what]
            url = server.url.replace("http", scheme, 1)
            # Once something from the client has arrived, read or not, it has connected.
            when = lambda: bool(server.requests) or _has_unread(server.port, at=1)  # noqa: E731
        with SequencerClient(url, dial_timeout=20, request_timeout=20) as client:
            started = time.monotonic()
            with hit_by_a_signal(when), pytest.raises(Interrupted) as caught:
                client.request("m", ["x" * 20_000_000] if what == "send" else [])
            assert time.monotonic() - started < 10
    (attempt,) = caught.value.attempts
    assert attempt.phase == what
    assert attempt.delivered == ("unknown" if what == "send" else "no")


class Deaf(Server):
    """Takes the connection and reads nothing."""

    def handle(self, connection: socket.socket) -> None:
        del connection
        self.wait()


# Proxies


class Tunnel(Server):
    """A proxy that connects every CONNECT to one local port, or answers with a status."""

    def __init__(
        self, port: int = 0, *, status: bytes = b"200 OK", tls: ssl.SSLContext | None = None
    ) -> None:
        super().__init__(tls=tls)
        self._upstream, self._status = port, status

    def handle(self, connection: socket.socket) -> None:
        self.read_request(connection)
        connection.sendall(b"HTTP/1.1 " + self._status + b"\r\n\r\n")
        if not self._upstream:
            return
        with socket.create_connection(("127.0.0.1", self._upstream)) as upstream:
            _relay(connection, upstream)


def _relay(one: socket.socket, other: socket.socket) -> None:
    """Pass data on in both directions, until one side ends.

    In one thread: before Python 3.13, TLS must not be read and written at the same time.
    """
    with suppress(OSError):  # one of the two has been closed
        while True:
            is_read_ahead = isinstance(one, ssl.SSLSocket) and one.pending()
            ready = [one] if is_read_ahead else select.select([one, other], [], [])[0]
            for source in ready:
                data = source.recv(65536)
                if not data:
                    return
                (other if source is one else one).sendall(data)


@pytest.mark.parametrize("proxy_scheme", ["http", "https"])
@pytest.mark.parametrize("scheme", ["http", "https", "ws", "wss"])
def test_every_scheme_goes_through_every_proxy(
    proxy_scheme: str, scheme: str, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    tls = authority.context() if proxy_scheme == "https" else None
    with ExitStack() as stack:
        if scheme == "http":  # asked for the whole URL, it answers itself
            proxy: Server = stack.enter_context(Replying(answer, tls=tls))
        elif scheme == "https":
            upstream = stack.enter_context(Replying(answer, tls=authority.context()))
            proxy = stack.enter_context(Tunnel(upstream.port, tls=tls))
        else:
            context = authority.context() if scheme == "wss" else None
            url = stack.enter_context(serving(ws_answer, ssl=context))
            proxy = stack.enter_context(Tunnel(int(url.rpartition(":")[2]), tls=tls))
        monkeypatch.setenv("ALL_PROXY", f"{proxy_scheme}://user:pw@localhost:{proxy.port}")
        # The tests' certificates are for localhost only, which is reached without a proxy: pretend
        # that it is another machine.
        monkeypatch.setattr("seqsend.transports.proxies._LOCAL_NAMES", ())
        place = "localhost:8545"
        attempt = one_attempt(f"{scheme}://{place}/rpc", cacert=authority.pem)
        assert attempt.outcome == "answered", attempt.reason
        request = proxy.requests[0]
    assert request.headers["Proxy-Authorization"] == "Basic dXNlcjpwdw=="
    assert request.path == (f"http://{place}/rpc" if scheme == "http" else place)
    assert attempt.delivered == "yes"


PROXY_ANSWERS = {
    b"407 Proxy Authentication Required": "the proxy did not connect: HTTP 407",
    b"502 Bad Gateway": "the proxy did not connect: HTTP 502",
    b"301 Moved": "the proxy did not connect: HTTP 301",
}


@pytest.mark.parametrize("status", PROXY_ANSWERS)
@pytest.mark.parametrize("scheme", ["https", "ws", "wss"])
def test_a_proxy_that_refuses_to_connect_is_named(
    status: bytes, scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Tunnel(status=status) as proxy:
        monkeypatch.setenv("ALL_PROXY", proxy.url)
        failure = exchange_once(f"{scheme}://seq.example")
    assert isinstance(failure, EndpointFailure)
    assert (failure.reason, failure.reason_code) == (PROXY_ANSWERS[status], "proxy_refused")


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (b"", "the proxy did not connect: connection closed without an answer"),
        (b"SSH-2.0-OpenSSH\r\n", "the proxy did not connect: not an HTTP answer"),
        (b"HTTP/1.1 200 OK\r\n\r\nmore", "the proxy did not connect: its answer is too long"),
    ],
)
def test_a_proxy_that_does_not_answer_in_http_is_named(
    said: bytes, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Odd(Server):
        def handle(self, connection: socket.socket) -> None:
            self.read_request(connection)
            connection.sendall(said)

    with Odd() as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        attempt = one_attempt("https://seq.example")
    assert (attempt.reason, attempt.phase, attempt.delivered) == (reason, "proxy", "no")


def test_interim_answers_of_a_proxy_are_skipped(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        Replying(answer, tls=authority.context()) as server,
        Tunnel(server.port, status=b"102 Processing\r\n\r\nHTTP/1.1 200 OK") as proxy,
    ):
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        attempt = one_attempt("https://seq.example", cacert=authority.pem)
    assert attempt.phase == "tls", "the tunnel stands; the certificate is for another name"


def test_a_proxy_that_refuses_a_request_has_not_delivered_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with Replying(http(407, b"")) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        attempt = one_attempt("http://seq.example")
        failure = exchange_once("http://seq.example")
    assert (attempt.phase, attempt.delivered) == ("proxy", "no")
    assert attempt.reason == "the proxy refused the request: HTTP 407"
    assert isinstance(failure, EndpointFailure)
    assert failure.reason_code == "proxy_refused"


def test_a_407_from_an_endpoint_is_not_taken_for_a_proxys() -> None:
    with Replying(http(407, b"who?")) as server:
        reply = exchange_once(server.url)
    assert isinstance(reply, Reply)
    assert (reply.status, reply.body) == (407, b"who?")


def test_the_secrets_of_a_proxy_are_taken_out_of_an_attempt(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def quote(request: Request) -> bytes:
        return jsonrpc_error(request, -32000, str(request.headers), status=503)

    with Replying(quote) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url.replace("://", "://us3r:s3cret@"))
        attempt = one_attempt("http://seq.example")
    assert attempt.error is not None
    assert "Proxy-Authorization" in attempt.error.message
    for secret in ("us3r", "s3cret", "dXMzcjpzM2NyZXQ="):
        assert secret not in repr(attempt)


def test_the_second_look_at_a_certificate_goes_through_the_proxy(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        Replying(answer, tls=authority.context("expired")) as server,
        Tunnel(server.port) as proxy,
    ):
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        monkeypatch.setattr("seqsend.transports.proxies._LOCAL_NAMES", ())
        (report,) = check("https://localhost:1", cacert=authority.pem).endpoints
        assert [request.path for request in proxy.requests] == ["localhost:1"] * 2
    assert "certificate has expired" in (report.reason or "")
    assert "its certificate expired on " in (report.hint or "")


# What is sent, and what comes back


@pytest.mark.parametrize("scheme", ["http", "ws"])
def test_a_header_from_the_user_replaces_ours_and_is_sent_once(scheme: str) -> None:
    with Replying(http(403, b"")) as server:
        url = server.url.replace("http", scheme, 1).replace("://", "://user:pw@")
        headers = {"hOST": "other.example", "USER-AGENT": "mine", "X": "1", "x": "2"}
        headers |= {"authorization": "Bearer abc"}
        exchange_once(url, headers={1: headers, 2: {"X": "of another endpoint"}})
        exchange_once(url)
    first, second = (request.headers for request in server.requests)
    for name, value in (("Host", "other.example"), ("User-Agent", "mine"), ("X", "2")):
        assert first.get_all(name) == [value]
    assert first.get_all("Authorization") == ["Bearer abc"]
    assert second.get_all("Host") == [f"127.0.0.1:{server.port}"]
    assert second.get_all("Authorization") == ["Basic dXNlcjpwdw=="]
    assert [ua.partition("/")[0] for ua in second.get_all("User-Agent") or ()] == ["seqsend"]


def test_useful_headers_of_an_answer_are_kept() -> None:
    said = {"Retry-After": "30", "Content-Type": "text/html", "Location": "/there"}
    for status, body in ((503, b"<html>maintenance until 04:00 UTC"), (200, b"{}")):
        with Replying(http(status, body, said)) as server:
            reply = exchange_once(server.url)
        assert reply == Reply(status, body, "/there", "30", "text/html")


def test_64_kib_of_a_failing_body_are_kept() -> None:
    with Replying(http(500, b"x" * 200_000)) as server:
        reply = exchange_once(server.url)
    assert isinstance(reply, Reply)
    assert len(reply.body) == 65_536


@pytest.mark.parametrize("status", [429, 500])
def test_after_a_failing_status_the_connection_is_used_again(status: int) -> None:
    with Replying(http(status, b"busy")) as server, SequencerClient(server.url) as client:
        for _ in range(3):
            with suppress(Exception):
                client.request("m")
        assert server.connections == 1


def test_interim_answers_are_skipped_and_many_headers_are_read() -> None:
    def reply(request: Request) -> bytes:
        early = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
        whole = jsonrpc_result(request, "0x1")
        head, _, body = whole.partition(b"\r\n\r\n")
        many = b"".join(b"\r\nX-%d: y" % number for number in range(200))
        return early * 3 + b"HTTP/1.1 102 Processing\r\n\r\n" + head + many + b"\r\n\r\n" + body

    with Replying(reply) as server, SequencerClient(server.url) as client:
        for _ in range(2):
            assert client.request("m").result == "0x1"
        assert server.connections == 1


def test_a_connection_that_received_data_between_requests_is_not_used_again() -> None:
    class Late(Server):
        def handle(self, connection: socket.socket) -> None:
            request = self.read_request(connection)
            if request is not None:
                connection.sendall(answer(request))
                said.wait(5)
                connection.sendall(b"H")
                self.wait()

    said = threading.Event()
    with Late() as server, SequencerClient(server.url) as client:
        client.request("m")
        said.set()
        until(lambda: _has_unread(server.port))
        assert "dial" in client.request("m").attempts[0].timings


def _has_unread(port: int, *, at: int = 2) -> bool:
    """Return whether a peer of ``port`` has unread data, or with ``at=1`` the server there."""
    with open("/proc/self/net/tcp", encoding="ascii") as table:
        rows = [line.split() for line in table][1:]
    return any(
        int(row[at].rpartition(":")[2], 16) == port and int(row[4].partition(":")[2], 16) > 0
        for row in rows
    )


def test_nothing_is_sent_if_a_signal_came_before() -> None:
    with Replying(http(200, b"{}")) as server:
        (endpoint,) = parse_endpoints(server.url)
        transport = HttpTransport([endpoint], {}, max_response_size=2**20)
        by = Deadline.after(5, "request timeout")
        transport.exchange(endpoint, b"{}", Exchange(by, by))
        exchange = Exchange(by, by)
        with Signals([signal.SIGUSR1]):
            signal.raise_signal(signal.SIGUSR1)
            with pytest.raises(SignalReceived):
                transport.exchange(endpoint, b"{}", exchange)
        transport.close()
        assert not exchange.written
        assert len(server.requests) == 1
