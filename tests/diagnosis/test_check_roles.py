"""`check --rollup-rpc`: the role of each endpoint's sequencer."""

import pytest

from seqsend import check
from tests.support.cli import seqsend
from tests.support.rollup import Kind, Rollup
from tests.support.servers import Replying, Request, Silent, dead, jsonrpc_error, jsonrpc_result

# What a sequencer's execution client answers.
_ANSWERS = {
    "eth_chainId": "0x7a69",
    "eth_blockNumber": "0x10",
    "web3_clientVersion": "anvil/v1.0.0",  # mines on demand, so its head is never too old
}


def _node(_index: int, request: Request) -> bytes | None:
    method = request.json["method"]
    if method in _ANSWERS:
        return jsonrpc_result(request, _ANSWERS[method])
    if method == "eth_getBlockByNumber":
        return jsonrpc_result(request, {"number": "0x10", "timestamp": "0x65000000"})
    if method == "eth_sendRawTransaction":
        return jsonrpc_error(request, -32000, "empty typed transaction bytes")
    return None


def _rollup(*kinds: Kind, active: int | None) -> Rollup:
    rollup = Rollup(kinds, active=active)
    rollup.before = _node
    return rollup


@pytest.mark.parametrize(
    ("active", "verdicts", "code"),
    [(1, ["usable", "STANDBY"], 0), (2, ["STANDBY", "usable"], 0), (None, ["STANDBY"] * 2, 8)],
)
@pytest.mark.parametrize("kind", ["op-node", "op-conductor"])
def test_every_endpoint_but_the_active_one_is_on_standby(
    kind: Kind, active: int | None, verdicts: list[str], code: int
) -> None:
    with _rollup(kind, kind, active=active) as rollup:
        run = seqsend("check", *rollup.arguments, "--json")
    found = run.diagnosis["endpoints"]
    assert [each["verdict"] for each in found] == verdicts
    roles = ["active" if index == active else "standby" for index in (1, 2)]
    assert [each["role"] for each in found] == roles
    assert run.code == code


def test_several_active_sequencers_are_reported() -> None:
    with (
        _rollup("op-node", "op-node", active=1) as rollup,
        Replying(lambda request: jsonrpc_result(request, True)) as other,
    ):
        rollup.nodes[1] = other
        found = check(rollup.urls, rollup_rpc=rollup.node_urls)
    assert [each.role for each in found.endpoints] == ["active", "active"]
    assert [each.reason_code for each in found.endpoints] == ["several_active"] * 2


def test_an_unreachable_op_node_is_unhealthy_and_the_reason_is_given() -> None:
    with _rollup("op-node", "op-node", active=2) as rollup, dead() as node:
        urls = f"{node.url},{rollup.nodes[1].url}"
        found = check(rollup.urls, rollup_rpc=urls)
    first, second = found.endpoints
    assert (first.role, first.usable, second.role) == ("unhealthy", True, "active")
    assert str(first.reason).endswith(": connection refused")


def test_an_op_node_without_the_method_is_not_taken_for_a_standby() -> None:
    with _rollup("op-node without admin", "op-node", active=None) as rollup:
        found = check(rollup.urls, rollup_rpc=rollup.node_urls)
    assert [each.reason_code for each in found.endpoints] == ["role_unknown", "none_active"]
    assert "--rpc.enable-admin" in str(found.endpoints[0].reason)
    assert found.status == "degraded"


def test_a_hung_op_node_is_waited_for_until_the_dial_timeout_or_the_deadline() -> None:
    with _rollup("op-node", "op-node", active=2) as rollup, Silent() as hung:
        urls = f"{hung.url},{rollup.nodes[1].url}"
        slow = check(rollup.urls, rollup_rpc=urls, dial_timeout=1.0)
        cut = check(rollup.urls, rollup_rpc=urls, deadline=0.4)
    assert [each.role for each in slow.endpoints] == ["unhealthy", "active"]
    assert 1.0 <= slow.elapsed <= 1.25
    assert cut.elapsed <= 0.65
    assert cut.endpoints[1].role == "active"
