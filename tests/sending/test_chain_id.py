"""`send --chain-id N`: a transaction signed for another chain is not sent."""

from pathlib import Path

import pytest
from eth_account import Account

from seqsend import SequencerClient, UsageError
from tests.support.cli import seqsend
from tests.support.servers import Replying, dead, jsonrpc_result
from tests.support.wallet import Signed, Wallet

WALLET = Wallet(0)


def _for_every_chain() -> Signed:
    account = Account.from_key(b"\1" * 32)
    fields = {"nonce": 0, "to": account.address, "value": 1, "gas": 21_000, "gasPrice": 1}
    signed = account.sign_transaction(fields)
    return Signed(signed.raw_transaction.to_0x_hex(), signed.hash.to_0x_hex())


def _taking(*signed: Signed) -> Replying:
    hashes = {each.raw: each.hash for each in signed}
    return Replying(lambda request: jsonrpc_result(request, hashes[request.json["params"][0]]))


@pytest.mark.parametrize("kind", range(5))
def test_a_transaction_for_another_chain_is_a_usage_error(kind: int) -> None:
    signed = WALLET.sign(kind, nonce=0, chain_id=10)
    with Replying(b"") as nobody:
        through = f"--rollup.sequencer-http={nobody.url}"
        sent = seqsend("send", signed.raw, through, "--chain-id", "8453", "--json")
        assert nobody.requests == []
    assert (sent.code, sent.document["status"]) == (2, "usage")
    said = sent.document["error"]["message"]
    assert said.startswith("raw transaction is signed for chain 10, not for chain 8453; example:")


@pytest.mark.parametrize("kind", range(5))
@pytest.mark.parametrize("spelling", ["10", "0xa"])
def test_a_transaction_for_this_chain_is_sent(kind: int, spelling: str) -> None:
    signed = WALLET.sign(kind, nonce=0, chain_id=10)
    with _taking(signed) as node:
        through = f"--rollup.sequencer-http={node.url}"
        assert seqsend("send", signed.raw, through, "--chain-id", spelling).code == 0


def test_a_legacy_transaction_without_a_chain_id_is_valid_everywhere() -> None:
    signed = _for_every_chain()
    with _taking(signed) as node, SequencerClient(node.url) as client:
        assert client.send_raw_transaction(signed.raw, chain_id=10).hash == signed.hash


@pytest.mark.parametrize("raw", ["0x7bc0", "0x02cc" + "c0" + "80" * 9 + "0101"])
def test_a_transaction_whose_chain_cannot_be_read_is_not_sent(raw: str) -> None:
    said = pytest.raises(UsageError, match="cannot read the chain of the raw transaction")
    with dead() as nobody, SequencerClient(nobody.url) as client, said:
        client.send_raw_transaction(raw, chain_id=10)


def test_a_transaction_for_another_chain_stops_the_run(tmp_path: Path) -> None:
    signed = [WALLET.sign(2, nonce=n, chain_id=10 + (n == 1)) for n in range(3)]
    (tmp_path / "transactions.txt").write_text("".join(f"{each.raw}\n" for each in signed))
    with _taking(*signed) as node:
        words = (
            *("send", "--file", str(tmp_path / "transactions.txt"), "--chain-id", "10"),
            f"--rollup.sequencer-http={node.url}",
        )
        sent = seqsend(*words)
        assert (sent.code, sent.out) == (2, f"{signed[0].hash}\nusage\nnot_sent\n")
        assert "line 2: raw transaction is signed for chain 11, not for chain 10" in sent.err
        kept_going = seqsend(*words, "--keep-going")
        assert kept_going.out == f"{signed[0].hash}\nusage\n{signed[2].hash}\n"


@pytest.mark.parametrize("number", ["ten", "-1", ""])
def test_a_chain_id_is_a_whole_number(number: str) -> None:
    sent = seqsend("send", "0x7bc0", "--chain-id", number, "--rollup.sequencer-http=http://x")
    assert sent.code == 2
    assert "--chain-id: " in sent.err
