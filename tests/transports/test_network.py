"""Between two hosts, over a link that is late, loses packets or goes dead."""

from collections.abc import Iterator

import pytest

from tests.conftest import FreshTx
from tests.support.cli import Run, seqsend
from tests.support.network import CLIENT, NOBODY, OTHER, RESOLVER, SERVER, Network, at_once
from tests.support.node import Anvil
from tests.support.servers import Relaying

OVERRUN_MS = 250
NAME = "seq1.example"


@pytest.fixture(scope="module")
def network() -> Iterator[Network]:
    with Network() as made:
        made.configure({"resolv.conf": f"nameserver {RESOLVER}\n", "hosts": ""})
        yield made


@pytest.fixture
def server(network: Network, node: Anvil) -> Iterator[Relaying]:
    with network.at_server():
        made = Relaying(node.url, host=SERVER)
    with made:
        yield made
    network.rule = at_once
    network.configure({"hosts": ""})


def send(network: Network, raw: str, *words: str, dial: str = "500ms", request: str = "5s") -> Run:
    return seqsend(
        "send",
        raw,
        f"--rollup.sequencer-http={','.join(words)}",
        f"--sequencer-dial-timeout={dial}",
        f"--sequencer-request-timeout={request}",
        "--json",
        within=network.at_client,
    )


def test_dns_that_hangs_costs_the_dial_timeout_and_not_the_transaction(
    network: Network, server: Relaying, node: Anvil, fresh_tx: FreshTx
) -> None:
    signed = fresh_tx()
    run = send(network, signed.raw, f"http://{NAME}:8545", server.url)
    first, second = run.document["attempts"]
    assert (first["phase"], first["delivered"]) == ("dns", "no")
    assert first["reason"] == "no answer from DNS (dial timeout 500ms)"
    assert 500 <= first["elapsed_ms"] <= 500 + OVERRUN_MS
    assert second["outcome"] == "answered"
    assert node.has_transaction(signed.hash)
    # The DNS look-up goes on for 10 s in its thread; nothing waits for it.
    assert run.lingered <= 1


def test_a_name_with_dead_addresses_is_reached_at_the_live_one(
    network: Network, server: Relaying, fresh_tx: FreshTx
) -> None:
    addresses = (*NOBODY, SERVER)
    network.configure({"hosts": "".join(f"{address} {NAME}\n" for address in addresses)})
    run = send(network, fresh_tx().raw, f"http://{NAME}:{server.port}", dial="900ms")
    (only,) = run.document["attempts"]
    assert only["outcome"] == "answered"
    assert 500 <= only["elapsed_ms"] <= 500 + OVERRUN_MS  # 250 ms for each dead one


def test_if_a_network_is_unreachable_the_next_endpoint_is_tried(
    network: Network, server: Relaying, fresh_tx: FreshTx
) -> None:
    run = send(network, fresh_tx().raw, "http://203.0.113.1:8545", server.url)
    first, _ = run.document["attempts"]
    assert (first["reason"], first["delivered"]) == ("network unreachable", "no")
    assert run.code == 0


@pytest.mark.parametrize(("dial", "outcome"), [("1s", "answered"), ("150ms", "outage")])
def test_on_a_slow_link_the_dial_timeout_decides(
    network: Network, server: Relaying, fresh_tx: FreshTx, dial: str, outcome: str
) -> None:
    network.rule = lambda _packet: 0.1  # a round trip is 200 ms
    run = send(network, fresh_tx().raw, server.url, dial=dial)
    assert run.document["attempts"][0]["outcome"] == outcome
    assert run.document["status"] == ("accepted" if outcome == "answered" else "unreachable")
    assert (len(server.requests) == 1) == (outcome == "answered")


def test_a_link_that_loses_every_third_packet_loses_no_transaction(
    network: Network, server: Relaying, node: Anvil, fresh_tx: FreshTx
) -> None:
    seen = 0

    def lose_every_third(_packet: bytes) -> float | None:
        nonlocal seen
        seen += 1
        return None if seen % 3 == 0 else 0.01

    network.rule = lose_every_third
    signed = fresh_tx()
    run = send(network, signed.raw, server.url, dial="15s", request="20s")
    assert run.document["status"] == "accepted"
    assert node.has_transaction(signed.hash)
    assert seen >= 9


def _has_payload(packet: bytes) -> bool:
    ip_header, tcp_header = (packet[0] & 15) * 4, (packet[(packet[0] & 15) * 4 + 12] >> 4) * 4
    return len(packet) > ip_header + tcp_header


def test_a_transaction_whose_answer_was_lost_is_found_at_the_next_endpoint(
    network: Network, node: Anvil, fresh_tx: FreshTx
) -> None:
    """The link lets the request through and loses every answer."""
    with network.at_server():
        cut, other = Relaying(node.url, host=SERVER), Relaying(node.url, host=OTHER)
    from_cut = bytes(map(int, SERVER.split(".")))

    def lose_answers(packet: bytes) -> float | None:
        return None if packet[12:16] == from_cut and _has_payload(packet) else 0.0

    signed = fresh_tx()
    with cut, other:
        network.rule = lose_answers
        run = send(network, signed.raw, cut.url, other.url, request="700ms")
        assert len(cut.requests) == 1  # and no second copy
    network.rule = at_once
    assert run.document["status"] == "known"
    first = run.document["attempts"][0]
    assert (first["phase"], first["delivered"]) == ("answer", "unknown")
    assert first["elapsed_ms"] <= 700 + OVERRUN_MS


def test_a_request_that_never_arrives_counts_as_possibly_delivered(
    network: Network, server: Relaying, node: Anvil, fresh_tx: FreshTx
) -> None:
    from_client = bytes(map(int, CLIENT.split(".")))

    def lose_requests(packet: bytes) -> float | None:
        return None if packet[12:16] == from_client and _has_payload(packet) else 0.0

    network.rule = lose_requests
    signed = fresh_tx()
    run = send(network, signed.raw, server.url, request="600ms")
    assert run.document["status"] == "unknown"  # the attempt, and the look-up that follows it
    assert run.document["elapsed_ms"] <= 2 * (600 + OVERRUN_MS)
    assert server.requests == []
    assert not node.has_transaction(signed.hash)
