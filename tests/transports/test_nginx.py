"""A working nginx between the program and the node: what it changes on the way."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from seqsend import SequencerClient
from tests.conftest import FreshTx
from tests.support.certificates import Authority
from tests.support.cli import seqsend
from tests.support.moments import count_connections, until
from tests.support.nginx import Nginx
from tests.support.node import Anvil


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def nginx(node: Anvil, authority: Authority) -> Iterator[Nginx]:
    with Nginx(node.url, authority) as running:
        yield running


def test_a_transaction_goes_through_over_tls(
    nginx: Nginx, authority: Authority, node: Anvil, fresh_tx: FreshTx, tmp_path: Path
) -> None:
    signed = fresh_tx()
    at = f"--rollup.sequencer-http={nginx.secure_url}/rpc"
    untrusted = seqsend("send", signed.raw, at, "--json")
    assert untrusted.document["status"] == "unreachable"
    assert "certificate not trusted" in untrusted.document["attempts"][0]["reason"]
    for trusting in ({"SSL_CERT_FILE": authority.pem}, {"CURL_CA_BUNDLE": authority.pem}):
        sent = seqsend("send", signed.raw, at, environment=trusting)
        assert (sent.code, sent.out) == (0, f"{signed.hash}\n")
    assert node.has_transaction(signed.hash)


def test_a_password_in_the_url_is_used(nginx: Nginx) -> None:
    right, wrong = (
        f"--rollup.sequencer-http={nginx.url.replace('://', f'://user:{word}@')}/401"
        for word in ("right", "wrong")
    )
    assert seqsend("rpc", "eth_chainId", right).out == "0x7a69\n"
    refused = seqsend("rpc", "eth_chainId", wrong, "--json")
    assert refused.document["status"] == "unreachable"
    assert refused.document["attempts"][0]["http_status"] == 401


def test_a_compressed_answer_is_read(nginx: Nginx) -> None:
    with SequencerClient(f"{nginx.url}/gzip") as client:
        block = client.request("eth_getBlockByNumber", ["latest", False]).result
    assert block["hash"].startswith("0x")


@pytest.mark.parametrize("location", ["rpc", "once", "brief"])
def test_a_connection_that_nginx_closes_causes_no_outage(nginx: Nginx, location: str) -> None:
    """It closes a connection after each answer, or after 20 idle ms: the next call dials again."""
    port = int(nginx.url.rpartition(":")[2])
    with SequencerClient(f"{nginx.url}/{location}", request_timeout=5) as client:
        for call in range(20):
            (attempt,) = client.request("eth_chainId").attempts
            assert attempt.outcome == "answered"
            assert ("dial" in attempt.timings) == (location != "rpc" or call == 0)
            if location == "brief":
                until(lambda: count_connections("CLOSE_WAIT", port))
