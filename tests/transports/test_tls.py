"""TLS over memory BIOs: every read bounded, certificates verified, client certificates shown."""

import json
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme
from websockets.utils import accept_key

from seqsend import SequencerClient, UsageError, waiting
from seqsend.configuration import configure
from seqsend.models import Reply
from seqsend.transports.base import Deadline, Exchange
from seqsend.transports.secure import SecureChannel
from seqsend.transports.sockets import BoundedSocket
from seqsend.transports.tls import trust
from tests.support.certificates import Authority
from tests.support.servers import Replying, Request, Server, http, jsonrpc_result
from tests.support.tls13 import (
    APPLICATION_DATA,
    HANDSHAKE,
    SESSION_TICKET,
    ByHand,
    Flooding,
    Records,
)
from tests.transports.test_http import OVERRUN, answer, one_attempt


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


def https(server: Server) -> str:
    return server.url.replace("http", "https", 1)


@pytest.mark.parametrize("what", ["tickets", "key updates"])
def test_the_deadline_ends_the_wait_at_endless_records_without_data(
    authority: Authority, tmp_path: Path, what: str
) -> None:
    with Flooding(authority.context(), tmp_path / "keys", what) as flooding:
        started = time.monotonic()
        attempt = one_attempt(https(flooding), cacert=authority.pem, request_timeout=0.5)
        elapsed = time.monotonic() - started
        assert flooding.records > 10
    assert (attempt.phase, attempt.delivered) == ("answer", "unknown")
    assert attempt.reason == "no answer in time (request timeout 500ms)"
    assert 0.5 <= elapsed <= 0.5 + OVERRUN


class DrippingHandshake(Server):
    """Passes a real handshake on, a byte at a time."""

    def __init__(self, upstream: int) -> None:
        super().__init__()
        self._upstream = upstream

    def handle(self, connection: socket.socket) -> None:
        with socket.create_connection(("127.0.0.1", self._upstream)) as upstream:
            upstream.sendall(connection.recv(65536))
            while data := upstream.recv(1):
                connection.sendall(data)
                if self._stopped.wait(0.01):
                    return


def test_a_handshake_that_drips_ends_by_the_dial_deadline(authority: Authority) -> None:
    with (
        Replying(answer, tls=authority.context()) as server,
        DrippingHandshake(server.port) as dripping,
    ):
        attempt = one_attempt(https(dripping), cacert=authority.pem, dial_timeout=0.4)
    assert (attempt.phase, attempt.delivered) == ("tls", "no")
    assert 0.4 <= attempt.elapsed <= 0.4 + OVERRUN


def test_large_requests_and_answers_go_through(authority: Authority) -> None:
    def echo(request: Request) -> bytes:
        return jsonrpc_result(request, request.json["params"])

    long = ["x" * 3_000_000]
    with (
        Replying(echo, tls=authority.context()) as server,
        SequencerClient(https(server), cacert=authority.pem) as client,
    ):
        for _ in range(2):
            assert client.request("m", long).result == long
        assert server.connections == 1


class Ticketing(ByHand):
    """Answers, and sends session tickets with each answer or after it."""

    together = True

    def serve(self, connection: ssl.SSLSocket, records: Records) -> None:
        while (request := self.read_request(connection)) is not None:
            answered = records.seal(APPLICATION_DATA, answer(request))
            ticket = records.seal(HANDSHAKE, SESSION_TICKET)
            if self.together:
                self.write(connection, answered + ticket)
            else:
                self.write(connection, answered)
                self.asked.wait(5)
                self.write(connection, ticket)
                self.sent.set()

    asked, sent = threading.Event(), threading.Event()


@pytest.mark.parametrize("together", [True, False])
def test_session_tickets_do_not_cost_the_connection(
    authority: Authority,
    tmp_path: Path,
    together: bool,  # noqa: FBT001
) -> None:
    """They belong to the protocol, and come whenever the server likes."""
    with (
        Ticketing(authority.context(), tmp_path / "keys") as server,
        SequencerClient(https(server), cacert=authority.pem) as client,
    ):
        server.together = together
        first = client.request("m").attempts[0]
        if not together:
            server.asked.set()
            assert server.sent.wait(5)
        second = client.request("m").attempts[0]
        assert server.connections == 1
    assert first.tls_expires is not None
    assert set(second.timings) == {"send", "answer"}


@pytest.mark.parametrize("how", ["system", "named"])
@pytest.mark.parametrize(
    ("kind", "said"),
    [("good", None), ("other host", "not valid for"), ("stranger", "local issuer")],
)
def test_the_system_store_and_a_named_one_verify_alike(
    authority: Authority,
    how: str,
    kind: Any,
    said: str | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if how == "system":  # OpenSSL's system store, which truststore follows
        monkeypatch.setenv("SSL_CERT_FILE", authority.pem)
        context = trust(None, {})
        assert type(context).__module__.startswith("truststore")
    else:
        context = trust(authority.pem, {})
    soon = Deadline.after(5, "test")
    with (
        Replying(answer, tls=authority.context(kind)) as server,
        socket.create_connection(("127.0.0.1", server.port)) as connection,
    ):
        connection.setblocking(False)
        carrier = BoundedSocket(connection, Exchange(soon, soon))
        channel = SecureChannel(carrier, context, "127.0.0.1")
        if said is None:
            channel.handshake()
            assert "notAfter" in channel.certificate
        else:
            with pytest.raises(ssl.SSLCertVerificationError, match=said):
                channel.handshake()


CODES: list[tuple[Any, str]] = [
    ("expired", "tls_expired"),
    ("not yet", "tls_not_yet_valid"),
    ("other host", "tls_wrong_name"),
    ("stranger", "tls_untrusted"),
    ("self-signed", "tls_untrusted"),
]


@contextmanager
def transport_failure(url: str, **options: Any) -> Iterator[list[Any]]:
    """Yield how one exchange with ``url`` ended."""
    configuration = configure(
        url, dial_timeout=1, request_timeout=1, deadline=None, headers=None,
        max_response_size=2**20, **{"cacert": None, **options},
    )  # fmt: skip
    transport = configuration.transport(*configuration.endpoints)
    soon = Deadline.after(1, "test")
    found: list[Any] = []
    try:
        found.append(transport.exchange(configuration.endpoints[0], b"{}", Exchange(soon, soon)))
    except Exception as error:  # noqa: BLE001 - the test checks it
        found.append(error)
    transport.close()
    yield found


@pytest.mark.parametrize(("kind", "code"), CODES)
def test_a_wrong_certificate_has_its_reason_code(
    authority: Authority, kind: Any, code: str
) -> None:
    with (
        Replying(answer, tls=authority.context(kind)) as server,
        transport_failure(https(server), cacert=authority.pem) as (failure,),
        transport_failure(
            https(server).replace("127.0.0.1", "localhost"), cacert=authority.pem
        ) as (by_name,),
    ):
        assert (failure.reason_code, by_name.reason_code) == (code, code)


def test_a_machine_without_authorities_is_named(
    authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("truststore._openssl._CA_FILE_CANDIDATES", [])
    nowhere = ssl.DefaultVerifyPaths(None, None, "", "", "", "")  # type: ignore[arg-type]
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: nowhere)
    with (
        Replying(answer, tls=authority.context()) as server,
        transport_failure(https(server)) as (failure,),
    ):
        assert failure.reason_code == "tls_no_authorities"
        assert "this machine has no certificate authorities" in failure.reason


@pytest.fixture(scope="module")
def client_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return the paths of a client's files, valid and invalid."""
    directory = tmp_path_factory.mktemp("client")
    ca = trustme.CA()
    one, other = ca.issue_cert("client@example"), ca.issue_cert("other@example")
    contents = {
        "cert": one.cert_chain_pems[0].bytes(),
        "key": one.private_key_pem.bytes(),
        "both": one.private_key_and_cert_chain_pem.bytes(),
        "other key": other.private_key_pem.bytes(),
        "empty": b"",
        "ca": ca.cert_pem.bytes(),
        "garbage": b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        "encrypted": _encrypted(one.private_key_pem.bytes()),
    }
    for name, content in contents.items():
        (directory / name).write_bytes(content)
    os.mkfifo(directory / "pipe")
    os.symlink("/dev/zero", directory / "zeros")
    with (directory / "huge").open("wb") as huge:
        huge.truncate(2**30)
    names = [*contents, "missing", "pipe", "zeros", "huge"]
    return {name: str(directory / name) for name in names} | {"directory": str(directory)}


def _encrypted(key: bytes) -> bytes:
    from cryptography.hazmat.primitives import serialization as s

    return s.load_pem_private_key(key, None).private_bytes(
        s.Encoding.PEM, s.PrivateFormat.PKCS8, s.BestAvailableEncryption(b"passphrase")
    )


@pytest.mark.parametrize("scheme", ["https", "wss"])
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_client_certificate_is_shown_to_a_server_that_wants_one(
    authority: Authority, client_files: dict[str, str], version: ssl.TLSVersion, scheme: str
) -> None:
    context = authority.context()
    context.load_verify_locations(client_files["ca"])
    context.verify_mode = ssl.CERT_REQUIRED
    context.maximum_version = version
    seen: list[Any] = []

    class Asking(Replying):
        def handle(self, connection: Any) -> None:
            seen.append(connection.getpeercert()["subjectAltName"])
            super().handle(connection)

    with Asking(http(401, b""), tls=context) as server:
        url = server.url.replace("http", scheme, 1)
        for cert, key in (("cert", "key"), ("both", None)):
            files = {"client_cert": client_files[cert], "client_key": key and client_files[key]}
            with transport_failure(url, cacert=authority.pem, **files) as (end,):
                assert (end.status if isinstance(end, Reply) else end.http_status) == 401
        with transport_failure(url, cacert=authority.pem) as (failure,):
            assert failure.reason_code == "tls_failed"
            assert "TLS failed: " in failure.reason
    assert seen == [(("email", "client@example"),)] * 2


def test_without_a_client_certificate_the_request_is_not_delivered(
    authority: Authority, client_files: dict[str, str]
) -> None:
    context = authority.context()
    context.load_verify_locations(client_files["ca"])
    context.verify_mode = ssl.CERT_REQUIRED
    with Replying(answer, tls=context) as server:
        attempt = one_attempt(https(server), cacert=authority.pem)
        assert server.requests == []
    assert (attempt.phase, attempt.delivered) == ("tls", "no")
    assert attempt.reason == "TLS failed: the server wants a client certificate (--client-cert)"


@pytest.mark.parametrize(
    ("cert", "key", "option", "said"),
    [
        ("missing", None, "--client-cert", "no such file"),
        ("directory", None, "--client-cert", "is a directory"),
        ("empty", None, "--client-cert", "holds no certificate"),
        ("key", None, "--client-cert", "holds no certificate"),
        ("cert", None, "--client-cert", "holds no private key"),
        ("garbage", "key", "--client-key", "cannot be read"),
        ("cert", "missing", "--client-key", "no such file"),
        ("cert", "cert", "--client-key", "holds no private key"),
        ("cert", "other key", "--client-key", "the key of another certificate"),
        ("cert", "encrypted", "--client-key", "is encrypted"),
        ("pipe", None, "--client-cert", "is not a plain file"),
        ("zeros", None, "--client-cert", "is not a plain file"),
        ("cert", "pipe", "--client-key", "is not a plain file"),
        ("huge", None, "--client-cert", "file too large"),
        ("", None, "--client-cert", "is empty"),
        ("cert", "", "--client-key", "is empty"),
        (None, "key", "--client-key", "without --client-cert"),
    ],
)
def test_a_client_certificate_that_cannot_be_used_is_a_usage_error(
    client_files: dict[str, str], cert: str | None, key: str | None, option: str, said: str
) -> None:
    cert, key = (name and client_files[name] for name in (cert, key))
    with pytest.raises(UsageError, match=said) as caught:
        trust(None, {}, cert, key)
    assert str(caught.value).startswith(option)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("pipe", "holds no certificate"),  # nobody writes to it
        ("zeros", "file too large"),
        ("/dev/null", "holds no certificate"),
        ("garbage", "holds no certificate"),
        ("missing", "no such file"),
    ],
)
@pytest.mark.parametrize("source", ["--cacert", "SSL_CERT_FILE"])
def test_no_file_of_authorities_hangs_the_program(
    client_files: dict[str, str], source: str, path: str, said: str
) -> None:
    path = client_files.get(path, path)
    started = time.monotonic()
    with pytest.raises(UsageError, match=said):
        trust(path, {}) if source == "--cacert" else trust(None, {source: path})
    assert time.monotonic() - started < 5


def test_authorities_may_come_through_a_pipe(
    authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As from a shell's <(command), which may write after the program has opened it."""
    pipe = tmp_path / "authorities"
    os.mkfifo(pipe)
    content = "# Főtanúsítvány\n".encode() + Path(authority.pem).read_bytes()

    def write() -> None:
        with open(pipe, "wb", buffering=0) as file:
            written.wait(5)
            file.write(content)

    written, waited = threading.Event(), waiting.wait

    def wait(*arguments: Any) -> bool:
        written.set()
        return waited(*arguments)

    monkeypatch.setattr("seqsend.waiting.wait", wait)
    with open(os.open(pipe, os.O_RDWR), "rb"):  # so that neither side waits for the other
        writer = threading.Thread(target=write)
        writer.start()
        found: list[ssl.SSLContext | UsageError] = []
        reader = threading.Thread(target=lambda: found.append(trust(str(pipe), {})))
        reader.start()
        writer.join()
    reader.join()
    assert isinstance(found[0], ssl.SSLContext)
    assert found[0].cert_store_stats()["x509_ca"] == 1


def test_a_silent_pipe_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pipe = tmp_path / "silent"
    os.mkfifo(pipe)
    monkeypatch.setattr("seqsend.transports.pem_files._PATIENCE", 0.05)
    with (
        open(os.open(pipe, os.O_RDWR), "rb"),
        pytest.raises(UsageError, match="nothing came from it in time"),
    ):
        trust(str(pipe), {})


@pytest.mark.parametrize("url", ["http://seq1", "https://seq1", "ws://seq1", "wss://seq1"])
@pytest.mark.parametrize("option", ["cacert", "client_cert"])
def test_an_empty_path_is_a_usage_error(url: str, option: str) -> None:
    with pytest.raises(UsageError, match="is empty"), transport_failure(url, **{option: ""}):
        pass


@pytest.mark.parametrize("scheme", ["http", "https", "ws", "wss"])
@pytest.mark.parametrize("beyond", ["whole", "cut"])
def test_data_behind_an_answer_is_not_taken_for_the_next_answer(
    authority: Authority, scheme: str, beyond: str
) -> None:
    """A transaction, say, would get the answer to another request."""

    is_websocket = scheme.startswith("ws")

    def frame(number: int) -> bytes:
        message = json.dumps({"jsonrpc": "2.0", "id": number, "result": "0x1"}).encode()
        return b"\x81" + bytes([len(message)]) + message if is_websocket else http(200, message)

    class Twice(Server):
        def handle(self, connection: socket.socket) -> None:
            request = self.read_request(connection)
            if request is not None and is_websocket:
                connection.sendall(
                    b"HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                    b"Sec-WebSocket-Accept: "
                    + accept_key(request.headers["Sec-WebSocket-Key"]).encode()
                    + b"\r\n\r\n"
                )
                connection.recv(65536)
            second = frame(self.connections + 1)
            size = len(second) // 2 if beyond == "cut" else len(second)
            connection.sendall(frame(self.connections) + second[:size])
            self.wait()

    with (
        Twice(tls=authority.context() if scheme in ("https", "wss") else None) as server,
        SequencerClient(server.url.replace("http", scheme, 1), cacert=authority.pem) as client,
    ):
        for _ in range(3):
            assert client.request("m").result == "0x1"
        assert server.connections == 3


def test_threads_may_share_a_client_over_tls(authority: Authority) -> None:
    results: list[object] = []
    with (
        Replying(answer, tls=authority.context()) as server,
        SequencerClient(https(server), cacert=authority.pem) as client,
    ):
        ask: Callable[[], None] = lambda: results.extend(  # noqa: E731
            client.request("m").result for _ in range(5)
        )
        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert results == ["0x1"] * 40
