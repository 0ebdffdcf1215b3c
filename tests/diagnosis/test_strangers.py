"""Services that are mistaken for an execution endpoint: each is recognised and has a hint."""

import json
import socket
from collections.abc import Callable
from contextlib import ExitStack

import pytest
from websockets.frames import Frame, Opcode
from websockets.http11 import Request as Upgrade
from websockets.server import ServerProtocol

import seqsend
from seqsend import EndpointReport
from tests.support.neighbours import beacon, kona_node, missing, op_service, sends_only
from tests.support.node import Anvil
from tests.support.servers import Replying, Request, Server, http, jsonrpc_error, jsonrpc_result

Answer = Callable[[Request], bytes]


def check_one(url: str) -> EndpointReport:
    (report,) = seqsend.check(url, request_timeout=5).endpoints
    return report


def page(status: int, title: str) -> Answer:
    """Return a web server that answers GET with its page, and POST with an error page."""

    def reply(request: Request) -> bytes:
        if request.body:
            return http(status, b"", {"Content-Type": "text/html"})
        html = f"<!DOCTYPE html><html><head><title>{title}</title></head></html>"
        return http(200 if request.path == "/" else 404, html.encode())

    return reply


EXECUTION = "use the execution endpoint's address"
# name → answers, reason code, words of the reason, words of the hint
STRANGERS: dict[str, tuple[Answer | bytes, str, str, str]] = {
    "op-node": (op_service("optimism", "admin", "opp2p"), "op_node", "an op-node", EXECUTION),
    "kona-node": (kona_node, "op_node", "an op-node", EXECUTION),
    "op-conductor": (
        op_service("conductor", "eth", "optimism", "admin"),
        "op_conductor",
        "an op-conductor",
        EXECUTION,
    ),
    "op-batcher": (op_service("admin"), "op_batcher", "an op-batcher or op-proposer", EXECUTION),
    "op-batcher without admin": (op_service(), "op_batcher", "an op-batcher", EXECUTION),
    "geth without eth": (
        lambda r: (
            jsonrpc_result(r, {"net": "1.0", "rpc": "1.0", "web3": "1.0"})
            if r.json["method"] == "rpc_modules"
            else missing(r)
        ),
        "not_execution",
        "it has the methods of net, rpc, web3, but not of eth",
        EXECUTION,
    ),
    "JSON-RPC of another kind": (missing, "not_execution", "neither eth_chainId", EXECUTION),
    "a beacon node": (beacon, "beacon", "HTTP 404", "a beacon (consensus) node answers there"),
    # go-ethereum node/jwt_handler.go
    "engine port": (http(401, b"missing token\n"), "token_wanted", "missing token", "use the RPC"),
    # reth crates/rpc/rpc-layer auth_layer.rs
    "reth's engine port": (
        http(401, b"Authorization header is missing or invalid"),
        "token_wanted",
        "HTTP 401",
        "use the RPC",
    ),
    # go-ethereum node/rpcstack.go virtualHostHandler
    "--http.vhosts": (
        http(403, b"invalid host specified\n"),
        "unknown_host",
        "invalid host specified",
        "--http.vhosts",
    ),
    # besu WebSocketService.java
    "besu's WebSocket port": (
        http(400, b"Websocket endpoint can't handle HTTP requests"),
        "websocket_wanted",
        "HTTP 400",
        "write ws://",
    ),
    "a block explorer": (
        http(200, b"<!DOCTYPE html><title>Blockscout</title>", {"Content-Type": "text/html"}),
        "html",
        "Blockscout",
        "a web page",
    ),
    "nginx' default page": (
        page(405, "Welcome to nginx!"),
        "not_allowed",
        "HTTP 405",
        "a web server answers there (Welcome to nginx!)",
    ),
    "Caddy's": (page(405, "Caddy works!"), "not_allowed", "HTTP 405", "(Caddy works!)"),
    "Grafana": (page(404, "Grafana"), "not_found", "HTTP 404", "(Grafana)"),
    "Prometheus": (
        page(405, "Prometheus Time Series Collection and Processing Server"),
        "not_allowed",
        "HTTP 405",
        "(Prometheus Time Series",
    ),
}


@pytest.mark.parametrize("name", STRANGERS)
def test_a_stranger_is_recognised_by_its_answers(name: str) -> None:
    answer, code, reason, hint = STRANGERS[name]
    with Replying(answer) as server:
        report = check_one(server.url)
    assert (report.verdict, report.reason_code, report.phase) == ("NOT USABLE", code, "answer")
    assert reason in (report.reason or "")
    assert hint in (report.hint or "")


class WebSocketPort(Server):
    """Answers over WebSocket, and all else with a bare 404 (go-ethereum node/rpcstack.go)."""

    def handle(self, connection: socket.socket) -> None:
        """Answer one request."""
        data = connection.recv(65_536)
        if not data.startswith(b"GET"):
            connection.sendall(http(404, b""))
            return
        protocol = ServerProtocol()
        while data:
            protocol.receive_data(data)
            for event in protocol.events_received():
                if isinstance(event, Upgrade):
                    protocol.send_response(protocol.accept(event))
                elif isinstance(event, Frame) and event.opcode is Opcode.TEXT:
                    found = {
                        "jsonrpc": "2.0",
                        "id": json.loads(bytes(event.data))["id"],
                        "result": "0x1",
                    }
                    protocol.send_text(json.dumps(found).encode())
            connection.sendall(b"".join(protocol.data_to_send()))
            data = connection.recv(65_536)


def test_a_websocket_port_is_recognised_by_a_handshake() -> None:
    with WebSocketPort() as server:
        report = check_one(server.url)
    assert (report.verdict, report.reason) == ("NOT USABLE", "HTTP 404")
    assert report.reason_code == "websocket_wanted"
    assert "write ws://" in (report.hint or "")


def test_recognising_a_stranger_takes_only_harmless_calls() -> None:
    with Replying(missing) as server:
        check_one(server.url)
        calls = [request.json for request in server.requests]
    assert {call["method"] for call in calls} == {
        "eth_chainId",
        "rpc_modules",
        "optimism_syncStatus",
        "conductor_active",
        "eth_sendRawTransaction",
    }
    assert [c["params"] for c in calls if c["method"] == "eth_sendRawTransaction"] == [["0x"]]


def test_send_only_endpoints_are_usable_beside_a_full_node(node: Anvil) -> None:
    def arbitrum(request: Request) -> bytes:
        if request.json["method"] == "rpc_modules":
            return jsonrpc_result(request, {"eth": "1.0", "rpc": "1.0"})
        return sends_only(request)

    with ExitStack() as stack:
        urls = [stack.enter_context(Replying(answer)).url for answer in (sends_only, arbitrum)]
        diagnosis = seqsend.check([*urls, node.url])
    assert [report.verdict for report in diagnosis.endpoints] == ["usable"] * 3
    assert diagnosis.status == "ok"


@pytest.mark.parametrize(
    ("words", "code", "hint"),
    [
        ("node is syncing", "syncing", "wait until it has synced"),
        ("sequencer is stopped", "not_leader", "active sequencer"),
        ("refusing to proxy request to non-leader sequencer", "not_leader", "active sequencer"),
        ("failed to forward tx: sequencer is stopped", "not_leader", "active sequencer"),
        ("the method eth_sendRawTransaction does not exist", "no_transactions", "read-only"),
        ("Unauthorized", "credentials", "put credentials into the URL"),
    ],
)
def test_an_endpoint_that_takes_no_transactions_is_reported_with_the_reason(
    words: str, code: str, hint: str
) -> None:
    def reply(request: Request) -> bytes:
        if request.json["method"] == "eth_chainId":
            return jsonrpc_result(request, "0x1")
        return jsonrpc_error(request, -32000, words)

    with Replying(reply) as server:
        report = check_one(server.url)
    assert (report.verdict, report.reason_code) == ("NOT USABLE", code)
    assert report.takes_transactions == "no"
    assert hint in (report.hint or "")
