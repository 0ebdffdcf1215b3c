"""Services that are mistaken for an execution endpoint, and a node that answers a probe."""

import json
import time
from collections.abc import Callable, Mapping

from tests.support.servers import Request, http, jsonrpc_error, jsonrpc_result


def op_node(request: Request) -> bytes:
    """Answer as op-node, which uses go-ethereum's RPC server with its own methods."""
    method = request.json["method"]
    if method == "optimism_syncStatus":
        return jsonrpc_result(request, {"unsafe_l2": {"number": 1}})
    return missing(request)


def op_service(*namespaces: str) -> Callable[[Request], bytes]:
    """Return a service of the OP Stack with its own methods (op-service rpc/server.go).

    go-ethereum's RPC server lists its namespaces; op-service adds "health".
    """
    modules = dict.fromkeys([*namespaces, "health", "rpc"], "1.0")

    def reply(request: Request) -> bytes:
        if request.json["method"] == "rpc_modules":
            return jsonrpc_result(request, modules)
        return missing(request)

    return reply


def kona_node(request: Request) -> bytes:
    """Answer as kona-node does, in the words of jsonrpsee."""
    if request.json["method"] == "optimism_syncStatus":
        return jsonrpc_result(request, {"unsafe_l2": {"number": 1}})
    return jsonrpc_error(request, -32601, "Method not found")


def missing(request: Request) -> bytes:
    """Answer as go-ethereum's RPC server answers an unknown method."""
    said = f"the method {request.json['method']} does not exist/is not available"
    return jsonrpc_error(request, -32601, said)


def beacon(request: Request) -> bytes:
    """Answer as a beacon node (Lighthouse): REST, and 404 for everything else."""
    if request.path == "/eth/v1/node/version" and not request.body:
        return http(200, json.dumps({"data": {"version": "Lighthouse/v7.0.1"}}).encode())
    return http(404, b'{"code":404,"message":"NOT_FOUND","stacktraces":[]}')


def explorer(_request: Request) -> bytes:
    """Answer as a web site does."""
    return http(200, b"<!DOCTYPE html><title>Explorer</title>", {"Content-Type": "text/html"})


def node(
    *,
    probe: Callable[[Request], bytes],
    others: Mapping[str, object] | None = None,
    age: float = 0,
) -> Callable[[Request], bytes]:
    """Return a healthy node that answers an empty transaction with ``probe``.

    Its head is ``age`` seconds old.
    """
    results: dict[str, object] = {
        "eth_chainId": "0x7a69",
        "eth_getBlockByNumber": {"number": "0x10", "timestamp": hex(int(time.time() - age))},
        "eth_syncing": False,
        "web3_clientVersion": "Node/v1",
    }
    results |= dict(others or {})

    def reply(request: Request) -> bytes:
        method = request.json["method"]
        if method == "eth_sendRawTransaction":
            assert request.json["params"] == ["0x"]
            return probe(request)
        return jsonrpc_result(request, results[method]) if method in results else missing(request)

    return reply


def sends_only(request: Request) -> bytes:
    """Answer as Arbitrum's sequencer endpoint, which serves only sends."""
    if request.json["method"] == "eth_sendRawTransaction":
        return jsonrpc_error(request, -32000, "typed transaction too short")
    return missing(request)
