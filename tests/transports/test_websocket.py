"""The WebSocket transport: the same deadlines, the same table, the same silence about secrets."""

import json
import logging
import socket
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st
from websockets.http11 import Request as Upgrade
from websockets.sync.server import ServerConnection
from websockets.utils import accept_key

from seqsend import CallError, SequencerClient
from seqsend.models import Attempt
from tests.conftest import FreshTx
from tests.support.cli import seqsend
from tests.support.node import Anvil
from tests.support.servers import (
    Closing,
    Dripping,
    Replying,
    Server,
    Silent,
    StallingTLS,
    blackhole,
    dead,
    http,
)
from tests.support.wallet import Wallet
from tests.support.ws import (
    as_ws,
    at,
    closing,
    garble,
    notify_for_ever,
    refusing,
    serving,
    silent,
    vanish,
)

OVERRUN = 0.25


def answer(connection: ServerConnection) -> None:
    for message in connection:
        request = json.loads(message)
        connection.send(json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": "0x1"}))


def one_attempt(url: str, method: str = "eth_chainId", **options: Any) -> Attempt:
    with SequencerClient(url, **options) as client:
        try:
            (attempt,) = client.request(method).attempts
        except CallError as error:
            (attempt,) = error.attempts
    return attempt


def test_a_real_node_answers_sends_and_calls(node: Anvil, fresh_tx: FreshTx) -> None:
    signed = fresh_tx()
    at = f"--rollup.sequencer-ws={as_ws(node.url)}"
    for status in ("accepted", "known"):
        sent = seqsend("send", signed.raw, at, "--json")
        assert (sent.document["status"], sent.document["hash"]) == (status, signed.hash)
        assert {a["http_status"] for a in sent.document["attempts"]} == {None}
    assert node.has_transaction(signed.hash)
    assert seqsend("rpc", "eth_chainId", at).out == "0x7a69\n"
    rejected = seqsend("rpc", "eth_noSuchMethod", at, "--json")
    assert rejected.document["status"] == "rejected"


def test_a_connection_is_kept_and_replaced_once_the_server_has_closed_it() -> None:
    open_connections: list[ServerConnection] = []

    def handle(connection: ServerConnection) -> None:
        open_connections.append(connection)
        answer(connection)

    # A server waits for the reply to its close; our client reads the close only at the next call.
    with serving(handle, close_timeout=0.1) as url, SequencerClient(url) as client:
        attempts = [client.request("m").attempts[0] for _ in range(3)]
        assert [set(a.timings) for a in attempts] == [
            {"dial", "upgrade", "send", "answer"},
            {"send", "answer"},
            {"send", "answer"},
        ]
        open_connections[0].close()
        assert client.request("m").attempts[0].outcome == "answered"
        assert len(open_connections) == 2


def test_a_connection_that_was_idle_for_long_is_replaced(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with serving(answer) as url, SequencerClient(url) as client:
        client.request("m")
        monkeypatch.setattr("seqsend.transports.connections.LONGEST_IDLE", 0.0)
        assert "dial" in client.request("m").attempts[0].timings


def test_threads_do_not_get_each_others_answers() -> None:
    def echo(connection: ServerConnection) -> None:
        for message in connection:
            request = json.loads(message)
            said = {"jsonrpc": "2.0", "id": request["id"], "result": request["params"]}
            connection.send(json.dumps(said))

    with serving(echo) as url, SequencerClient(url) as client:
        wrong: list[object] = []

        def ask(number: int) -> None:
            wrong.extend(n for n in range(20) if client.request("m", [number, n]).result[1] != n)

        threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert wrong == []


def test_a_notification_is_not_taken_for_an_answer() -> None:
    def notify(connection: ServerConnection) -> None:
        request = json.loads(connection.recv())
        note = {"jsonrpc": "2.0", "method": "eth_subscription", "params": {}}
        connection.send(json.dumps(note))
        connection.send(json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": "0x1"}))

    with serving(notify) as url:
        assert one_attempt(url).outcome == "answered"


SLOW: dict[str, tuple[Callable[[], Any], str, str]] = {
    "no SYN is answered": (lambda: at(blackhole()), "dial", "no"),
    "no handshake is answered": (lambda: at(Silent()), "upgrade", "no"),
    "the handshake drips": (
        lambda: at(Dripping(b"HTTP/1.1 101 X\r\n" * 99, 0.02)),
        "upgrade",
        "no",
    ),
    "no request is answered": (lambda: serving(silent), "answer", "unknown"),
    "notifications never end": (lambda: serving(notify_for_ever), "answer", "unknown"),
}


@pytest.mark.parametrize("slow", SLOW)
def test_an_attempt_ends_by_its_deadline(slow: str) -> None:
    server, phase, delivered = SLOW[slow]
    limit = 0.4 if delivered == "no" else 0.5
    with server() as url:
        started = time.monotonic()
        attempt = one_attempt(url, dial_timeout=0.4, request_timeout=0.5)
        assert limit <= time.monotonic() - started <= limit + OVERRUN
    assert (attempt.phase, attempt.delivered) == (phase, delivered)


def test_a_stalling_tls_handshake_ends_by_the_dial_deadline() -> None:
    with StallingTLS() as server:
        attempt = one_attempt(f"wss://127.0.0.1:{server.port}", dial_timeout=0.4)
    assert (attempt.phase, attempt.delivered) == ("tls", "no")
    assert 0.4 <= attempt.elapsed <= 0.4 + OVERRUN


def test_a_request_that_is_not_taken_ends_by_the_request_timeout() -> None:
    class Deaf(Server):
        """Completes the handshake and reads no more: its buffers fill."""

        def handle(self, connection: Any) -> None:
            request = self.read_request(connection)
            assert request is not None
            connection.sendall(_accepting(request.headers["Sec-WebSocket-Key"]))
            self.wait()

    with (
        at(Deaf()) as url,
        SequencerClient(url, request_timeout=0.5) as client,
        pytest.raises(CallError) as caught,
    ):
        client.request("m", ["x" * 20_000_000])
    (attempt,) = caught.value.attempts
    assert (attempt.phase, attempt.delivered) == ("send", "no")
    assert attempt.reason == "request not taken in time (request timeout 500ms)"
    assert attempt.elapsed <= 0.5 + OVERRUN


def big(connection: ServerConnection) -> None:
    connection.recv()
    connection.send("x" * 100_000)


MOVED = {"Location": "ws://other/?token=s3cret"}
FAILURES: dict[str, tuple[Callable[[], Any], str, str, str]] = {
    "refused": (lambda: at(dead()), "dial", "no", "connection refused"),
    "redirected": (
        refusing(307, MOVED),
        "upgrade",
        "no",
        "HTTP 307 redirect to ws://other/?***, not followed",
    ),
    "401": (refusing(401), "upgrade", "no", "HTTP 401"),
    "503": (refusing(503), "upgrade", "no", "HTTP 503"),
    "an HTTP server": (lambda: at(Replying(http(200, b"{}"))), "upgrade", "no", "HTTP 200"),
    "not HTTP": (
        lambda: at(Closing(after="request", how="fin", partial=b"SSH-2.0-OpenSSH\r\n\r\n")),
        "upgrade",
        "no",
        "not an HTTP answer",
    ),
    "closed in the handshake": (
        lambda: at(Closing(after="request", how="fin")),
        "upgrade",
        "no",
        "not an HTTP answer",
    ),
    "closed": (
        lambda: serving(closing(1000)),
        "answer",
        "unknown",
        "connection closed without an answer (code 1000)",
    ),
    "closed with an error": (
        lambda: serving(closing(1011)),
        "answer",
        "unknown",
        "connection closed without an answer (code 1011)",
    ),
    "vanished": (
        lambda: serving(vanish),
        "answer",
        "unknown",
        "connection closed without an answer",
    ),
    "too large": (lambda: serving(big), "answer", "unknown", "answer larger than 4KiB"),
    "no frame": (lambda: serving(garble), "answer", "unknown", "not a WebSocket answer"),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_a_failure_says_how_far_the_attempt_came(failure: str) -> None:
    server, phase, delivered, reason = FAILURES[failure]
    with server() as url:
        attempt = one_attempt(url, max_response_size=4096)
    assert (attempt.phase, attempt.delivered, attempt.reason) == (phase, delivered, reason)


@pytest.mark.parametrize("how", ["fin", "rst"])
def test_nothing_is_delivered_to_a_port_that_closes_at_once(how: Literal["fin", "rst"]) -> None:
    with at(Closing(after="accept", how=how)) as url:
        attempt = one_attempt(url)
    assert attempt.phase in ("dial", "upgrade")
    assert attempt.delivered == "no"


def test_tls_is_verified(tmp_path: Path) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    pem = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(pem))
    with serving(answer, ssl=context) as url:
        secure = url.replace("ws:", "wss:")
        trusted = one_attempt(secure, cacert=str(pem))
        untrusted = one_attempt(secure)
    assert trusted.outcome == "answered"
    assert "tls" in trusted.timings
    assert (untrusted.phase, untrusted.delivered) == ("tls", "no")
    assert untrusted.reason == "certificate not trusted: unable to get local issuer certificate"


def test_credentials_are_used_and_never_shown(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    seen: list[Upgrade] = []

    def process(_connection: ServerConnection, request: Upgrade) -> None:
        seen.append(request)

    key = "k3y" + "a" * 20
    with serving(answer, process_request=process, origins=None) as url:
        secret = url.replace("ws://", "ws://user:s3cret@") + f"/{key}?q=s3cret"
        attempt = one_attempt(secret, headers={"X-Token": "s3cret"})
        assert attempt.outcome == "answered"
    assert seen[0].headers["Authorization"] == "Basic dXNlcjpzM2NyZXQ="
    assert seen[0].headers["X-Token"] == "s3cret"
    assert seen[0].path == f"/{key}?q=s3cret"
    ours = [r.getMessage() for r in caplog.records if r.name != "test-server"]
    shown = repr(attempt) + "".join(ours)
    assert "s3cret" not in shown
    assert "k3y" not in shown


class Blurting(Server):
    """Shakes hands if `shakes_hands`, reads the request, sends ``payload``, and closes."""

    payload = b""
    shakes_hands = True

    def handle(self, connection: socket.socket) -> None:
        request = self.read_request(connection)
        if request is not None and self.shakes_hands:
            connection.sendall(_accepting(request.headers["Sec-WebSocket-Key"]))
            connection.recv(65536)
        connection.sendall(self.payload)


def _accepting(key: str) -> bytes:
    headers = {"Upgrade": "websocket", "Connection": "Upgrade"}
    headers["Sec-WebSocket-Accept"] = accept_key(key)
    lines = ["HTTP/1.1 101 X", *(f"{k}: {v}" for k, v in headers.items()), "", ""]
    return "\r\n".join(lines).encode()


_ANSWER = b'{"jsonrpc":"2.0","id":1,"result":"0x1"}'
_NOTE = b'{"jsonrpc":"2.0","method":"eth_subscription"}'
_FRAMES = st.builds(
    # RFC 6455, section 5.2: final and reserved bits, kind; mask bit and length; payload.
    lambda bits, kind, mask, data: bytes([bits << 4 | kind, mask << 7 | len(data)]) + data,
    st.sampled_from([8, 8, 8, 0, 12, 15]),
    st.integers(0, 15),
    st.sampled_from([0, 0, 0, 1]),
    st.binary(max_size=125) | st.sampled_from([_ANSWER, _NOTE, b"\x03\xe8bye", b""]),
)
_WORDS = st.lists(_FRAMES | st.binary(max_size=9), max_size=6).map(b"".join)


def test_any_bytes_end_in_an_error_of_ours_and_never_in_an_acceptance() -> None:
    signed = Wallet(0).sign(2, nonce=0)
    with Blurting() as server:

        @given(_WORDS | st.binary(max_size=200), st.booleans())
        def blurt(payload: bytes, shakes_hands: bool) -> None:  # noqa: FBT001
            server.payload, server.shakes_hands = payload, shakes_hands
            with SequencerClient(as_ws(server.url), request_timeout=0.5) as client:
                started = time.monotonic()
                with pytest.raises(CallError) as caught:
                    client.send_raw_transaction(signed.raw)
                assert time.monotonic() - started <= 2 * (0.5 + OVERRUN)
            assert shakes_hands or caught.value.delivered == "no"

        blurt()


def test_a_proxy_is_used_but_never_for_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    with Replying(http(407, b"")) as proxy, serving(answer) as url:
        monkeypatch.setenv("HTTP_PROXY", proxy.url.replace("://", "://user:pw@"))
        assert one_attempt(url).outcome == "answered"
        assert proxy.requests == []
        attempt = one_attempt("ws://seq.example:8546")
        assert (attempt.phase, attempt.delivered) == ("proxy", "no")
        assert attempt.reason == "the proxy did not connect: HTTP 407"
        (request,) = proxy.requests
        assert request.path == "seq.example:8546"
        assert request.headers["Proxy-Authorization"] == "Basic dXNlcjpwdw=="


def test_a_call_goes_through_a_proxy_that_connects(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(answer) as url:
        port = int(url.rpartition(":")[2])

        class Tunnel(Server):
            def handle(self, connection: Any) -> None:
                self.read_request(connection)
                connection.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
                with socket.create_connection(("127.0.0.1", port)) as upstream:
                    back = threading.Thread(target=_pump, args=(upstream, connection), daemon=True)
                    back.start()
                    _pump(connection, upstream)

        with Tunnel() as proxy:
            monkeypatch.setenv("ALL_PROXY", proxy.url)
            attempt = one_attempt("ws://seq.example:8546")
    assert attempt.outcome == "answered"
    assert list(attempt.timings) == ["dial", "proxy", "upgrade", "send", "answer"]


def _pump(source: Any, sink: Any) -> None:
    with suppress(OSError):  # one of the two has been closed
        while data := source.recv(65536):
            sink.sendall(data)
