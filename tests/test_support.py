"""The test support works: its nodes are real, and each endpoint fails as it says."""

import errno
import json
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from http.client import HTTPConnection, RemoteDisconnected
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import pytest_configure
from tests.support.machine import find_program
from tests.support.moments import until
from tests.support.node import Anvil, find_anvil
from tests.support.servers import (
    Closing,
    Dripping,
    Relaying,
    Replying,
    Server,
    Silent,
    StallingTLS,
    Swallowing,
    blackhole,
    dead,
    http,
    jsonrpc_error,
    jsonrpc_result,
)
from tests.support.wallet import Signed, Wallet

CALL = {"jsonrpc": "2.0", "id": 7, "method": "eth_chainId", "params": []}
WITHIN = 5.0  # seconds that a wait may take


def post(port: int, message: object = CALL, *, timeout: float = WITHIN) -> tuple[int, bytes]:
    connection = HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request("POST", "/", json.dumps(message))
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def mined(node: Anvil, signed: Signed) -> bool:
    until(lambda: node.rpc("eth_getTransactionReceipt", signed.hash))
    return bool(node.rpc("eth_getTransactionReceipt", signed.hash)["status"] == "0x1")


@pytest.mark.parametrize("kind", [0, 1, 2, 4])
def test_a_node_accepts_every_transaction_type_that_a_wallet_signs(
    node: Anvil, fresh_tx: Callable[..., Signed], kind: int
) -> None:
    signed = fresh_tx(kind)
    assert node.rpc("eth_sendRawTransaction", signed.raw) == signed.hash
    assert node.rpc("eth_getTransactionByHash", signed.hash)["type"] == hex(kind)
    assert mined(node, signed)


@pytest.mark.parametrize("sidecar", ["blob proofs", "cell proofs"])
def test_a_node_accepts_blobs(node: Anvil, wallet: Wallet, sidecar: str) -> None:
    signed = wallet.sign_blob(sidecar, nonce=node.nonce(wallet.address))
    assert node.rpc("eth_sendRawTransaction", signed.raw) == signed.hash
    assert mined(node, signed)


def test_each_node_has_its_own_chain(node: Anvil, wallet: Wallet) -> None:
    with Anvil(chain_id=901, extra=("--no-mining",)) as other:
        signed = wallet.sign(nonce=0, chain_id=901)
        other.rpc("eth_sendRawTransaction", signed.raw)
        assert other.has_transaction(signed.hash)
        assert not node.has_transaction(signed.hash)
        assert other.rpc("eth_blockNumber") == "0x0"
        with pytest.raises(RuntimeError, match="chain id"):
            node.rpc("eth_sendRawTransaction", wallet.sign(nonce=9, chain_id=901).raw)


def test_a_node_that_does_not_start_says_why() -> None:
    with pytest.raises(RuntimeError, match="--no-such-option"):
        Anvil(extra=("--no-such-option",)).start()


def test_a_killed_node_refuses_connections() -> None:
    with Anvil() as node:
        node.kill()
        with pytest.raises(ConnectionRefusedError):
            post(node.port)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child with its parent")
def test_a_node_does_not_outlive_a_killed_test_run() -> None:
    program = (
        "from tests.support.node import Anvil\n"
        "node = Anvil(); node.start()\n"
        "print(node.pid, flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as run:
        assert run.stdout is not None
        pid = int(run.stdout.readline())
        os.kill(pid, 0)
        run.kill()

    def gone() -> bool:
        # A zombie has ended, too.
        try:
            return ") Z " in Path(f"/proc/{pid}/stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            return True

    until(gone)


def test_an_anvil_of_an_unsuitable_version_is_ignored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = tmp_path / "anvil"
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    for said, fit in (("1.7.0", False), ("2.0.0", False), ("nonsense", False), ("1.10.0", True)):
        fake.write_text(f"#!/bin/sh\necho anvil Version: {said}\n")
        fake.chmod(0o755)
        try:
            assert (find_anvil() == fake) is fit
        except FileNotFoundError:
            assert not fit


def test_dead_refuses_connections_and_holds_its_port() -> None:
    with dead() as nobody:
        for _ in range(3):
            with pytest.raises(ConnectionRefusedError):
                post(nobody.port)
        with socket.socket() as other, pytest.raises(OSError, match="in use") as caught:
            other.bind(("127.0.0.1", nobody.port))
        assert caught.value.errno == errno.EADDRINUSE


def test_every_connection_to_a_blackhole_times_out() -> None:
    with blackhole() as hole:
        for _ in range(3):
            with pytest.raises(TimeoutError):
                socket.create_connection(("127.0.0.1", hole.port), timeout=0.2)


def test_replying_keeps_connections_alive_and_records_requests() -> None:
    with Replying(lambda request: jsonrpc_result(request, request.json["method"])) as server:
        connection = HTTPConnection("127.0.0.1", server.port, timeout=WITHIN)
        for _ in range(3):
            connection.request("POST", "/path", json.dumps(CALL), {"X-Tag": "a"})
            answer = json.load(connection.getresponse())
            assert answer == {"jsonrpc": "2.0", "id": 7, "result": "eth_chainId"}
        connection.close()
        assert server.connections == 1
        assert [(r.path, r.headers["X-Tag"], r.json) for r in server.requests] == [
            ("/path", "a", CALL)
        ] * 3


def test_replying_serves_connections_concurrently() -> None:
    both = threading.Barrier(2, timeout=WITHIN)

    def reply(_: object) -> bytes:
        both.wait()
        return http(200, b"together")

    with Replying(reply) as server:
        found: list[tuple[int, bytes]] = []
        threads = [
            threading.Thread(target=lambda: found.append(post(server.port))) for _ in range(2)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert found == [(200, b"together")] * 2


def test_a_jsonrpc_error_can_have_any_http_status() -> None:
    with Replying(lambda r: jsonrpc_error(r, -32000, "no", data="0x", status=429)) as server:
        status, body = post(server.port)
    assert (status, json.loads(body)["error"]) == (
        429,
        {"code": -32000, "message": "no", "data": "0x"},
    )


def test_an_incomplete_request_is_not_recorded() -> None:
    with Silent() as server, Silent() as other:
        for port, request in (
            (server.port, b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\n{}"),
            (other.port, b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}"),
        ):
            with socket.create_connection(("127.0.0.1", port), timeout=WITHIN) as client:
                client.sendall(request)
        until(lambda: other.requests)
        until(lambda: server.connections)
        assert server.requests == []


def test_swallowing_delivers_and_never_answers(
    node: Anvil, fresh_tx: Callable[..., Signed]
) -> None:
    signed = fresh_tx()
    message = CALL | {"method": "eth_sendRawTransaction", "params": [signed.raw]}
    with Swallowing(node.url) as server, pytest.raises(TimeoutError):
        post(server.port, message, timeout=0.5)
    until(lambda: node.has_transaction(signed.hash))


def test_relaying_passes_answers_back(node: Anvil) -> None:
    with Relaying(node.url) as relay:
        status, body = post(relay.port)
        assert (status, json.loads(body)["result"]) == (200, "0x7a69")
        assert [request.json["method"] for request in relay.requests] == ["eth_chainId"]


@pytest.mark.parametrize("silent", [Silent, StallingTLS])
def test_a_silent_server_accepts_and_never_answers(silent: type[Server]) -> None:
    with silent() as server:
        with pytest.raises(TimeoutError):
            post(server.port, timeout=0.2)
        assert server.connections == 1


def test_stalling_tls_stalls_the_handshake() -> None:
    context = ssl.create_default_context()
    with (
        StallingTLS() as server,
        socket.create_connection(("127.0.0.1", server.port), timeout=0.2) as client,
        pytest.raises(TimeoutError),
    ):
        context.wrap_socket(client, server_hostname="localhost")


@pytest.mark.parametrize(
    ("how", "expected"), [("fin", RemoteDisconnected), ("rst", ConnectionResetError)]
)
def test_closing_closes_or_resets_when_it_says(how: Any, expected: type[Exception]) -> None:
    with Closing(after="request", how=how) as server:
        with pytest.raises(expected) as caught:
            post(server.port)
        # pytest.raises does not suffice: RemoteDisconnected is a ConnectionResetError.
        assert caught.type is expected
        assert len(server.requests) == 1
    with Closing(after="accept", how=how) as server:
        with pytest.raises(ConnectionError):
            post(server.port, ["x" * 10_000_000])
        assert server.requests == []


def test_dripping_takes_the_interval_for_each_byte() -> None:
    answer = http(200, b"{}")
    with Dripping(answer, 0.002) as server:
        started = time.monotonic()
        assert post(server.port) == (200, b"{}")
        assert time.monotonic() - started >= 0.002 * (len(answer) - 1)


def test_a_server_stops_immediately_and_closes_its_connections() -> None:
    for server in (Silent(), StallingTLS(), Dripping(b"x" * 999, 0.05), Replying(http(200, b""))):
        with server, socket.create_connection(("127.0.0.1", server.port), timeout=WITHIN) as client:
            client.sendall(b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}")
            until(lambda: server.connections)  # noqa: B023 - called at once
            started = time.monotonic()
            server.__exit__()
            assert time.monotonic() - started < 0.2
            with pytest.raises(ConnectionRefusedError):
                post(server.port)
            try:
                while client.recv(4096):
                    pass
            except ConnectionResetError:
                pass


@pytest.mark.parametrize("name", ["NO_COLOR", "COLUMNS", "HTTP_PROXY", "https_proxy", "SEQSEND_X"])
def test_variables_that_change_the_program_are_unset(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert name not in os.environ
    monkeypatch.setenv(name, "x")
    pytest_configure()
    assert name not in os.environ


def test_a_missing_program_skips_with_its_package_and_fails_in_ci(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert find_program("sh", "dash").endswith("/sh")
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="as root: apt-get install nowhere-to-be-found"):
        find_program("no-such-program", "nowhere-to-be-found")
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="in CI nothing may be skipped: no-such"):
        find_program("no-such-program", "nowhere-to-be-found")
