"""The public interface of the library."""

import copy
import inspect
import pickle
import re
import subprocess
import sys
import typing
from collections.abc import Iterator
from pathlib import Path

import pytest

import seqsend
from seqsend import SequencerClient, UsageError
from seqsend.sending.transaction import parse_raw_transaction
from tests.conftest import FreshTx
from tests.support.node import Anvil
from tests.support.servers import dead
from tests.support.wallet import Wallet


def test_a_client_fails_over_sends_and_calls(node: Anvil, fresh_tx: FreshTx) -> None:
    signed = fresh_tx()
    with dead() as nobody, SequencerClient(f"{nobody.url},{node.url}", dial_timeout=3) as client:
        sent = client.send_raw_transaction(signed.raw)
        assert (sent.hash, sent.status, sent.endpoint.index) == (signed.hash, "accepted", 2)
        assert client.preferred is sent.endpoint
        again = client.send_raw_transaction(parse_raw_transaction(signed.raw))
        assert (again.status, again.failovers) == ("known", 0)
        answer = client.request("eth_chainId")
        assert (answer.result, len(answer.attempts)) == ("0x7a69", 1)
        assert [e.index for e in client.endpoints] == [1, 2]


def test_a_client_continues_with_the_second_node_when_the_first_dies(wallet: Wallet) -> None:
    """The nodes share no state, so that each chain shows which node took a transaction."""
    with Anvil() as first, Anvil() as second:
        taken: dict[int, list[str]] = {1: [], 2: []}
        with SequencerClient([first.url, second.url]) as client:
            for count in range(6):
                if count == 3:
                    first.kill()
                # The second node has none of the first one's transactions: nonces start at 0 there.
                nonce = len(taken[client.preferred.index if count != 3 else 2])
                sent = client.send_raw_transaction(wallet.sign(2, nonce=nonce, value=count).raw)
                assert sent.status == "accepted"
                taken[sent.endpoint.index].append(sent.hash)
        assert [len(hashes) for hashes in taken.values()] == [3, 3]
        assert all(second.has_transaction(h) for h in taken[2])
        assert not any(second.has_transaction(h) for h in taken[1])


@pytest.mark.parametrize(
    "wrong",
    [
        {"dial_timeout": 0},
        {"request_timeout": -1},
        {"deadline": float("nan")},
        {"failback_after": 0},
    ]
    + [{"dial_timeout": float("inf")}, {"request_timeout": 1e9}, {"max_response_size": 0}]
    + [{"headers": {"A=B": "c"}}]
    + [{"headers": {"X": "a\nb"}}, {"headers": {"Content-Length": "1"}}],
)
def test_a_wrong_argument_is_a_usage_error(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        SequencerClient("http://seq1", **wrong)  # type: ignore[arg-type]


def test_every_exported_name_exists_and_every_exported_error_is_a_seqsend_error() -> None:
    for name in seqsend.__all__:
        assert getattr(seqsend, name) is not None
    assert dir(seqsend) == sorted(seqsend.__all__)
    with pytest.raises(AttributeError):
        getattr(seqsend, "nothing")  # noqa: B009
    for name in seqsend.__all__:
        if isinstance(getattr(seqsend, name), type) and issubclass(
            getattr(seqsend, name), Exception
        ):
            assert issubclass(getattr(seqsend, name), seqsend.SeqsendError)


def _public_annotations() -> Iterator[tuple[str, object]]:
    """Yield each type that a public name takes, returns or holds, with the place it is used in."""
    for name in seqsend.__all__:
        thing = getattr(seqsend, name)
        if not inspect.isroutine(thing) and not inspect.isclass(thing):
            yield name, thing  # an alias
            continue
        members = {name: thing} | (dict(vars(thing)) if inspect.isclass(thing) else {})
        for member, value in members.items():
            if member.startswith("_") and member != "__init__":
                continue
            function = value.fget if isinstance(value, property) else value
            owner = sys.modules[thing.__module__]
            if inspect.isroutine(function) or inspect.isclass(function):
                names = vars(owner) | {n: getattr(seqsend, n) for n in seqsend.__all__}
                for hint in typing.get_type_hints(function, names).values():
                    yield f"{name}.{member}", hint


def _classes(hint: object) -> Iterator[type]:
    if isinstance(hint, type):
        yield hint
    for part in typing.get_args(hint):
        for each in part if isinstance(part, list) else [part]:
            yield from _classes(each)


def test_every_type_in_the_public_interface_is_exported() -> None:
    public = {getattr(seqsend, name) for name in seqsend.__all__ if name != "__version__"}
    missing = {
        (place, each.__name__)
        for place, hint in _public_annotations()
        for each in _classes(hint)
        if each.__module__.startswith("seqsend.") and each not in public
    }
    assert missing == set()


def test_type_checkers_see_the_exported_names() -> None:
    source = Path(seqsend.__file__).read_text()
    typed = set(re.findall(r"import (\w+) as \1", source))
    assert typed == set(seqsend.__all__)


def test_importing_seqsend_loads_no_heavy_library() -> None:
    heavy = (
        "requests",
        "urllib3",
        "rich",
        "typer",
        "eth_utils",
        "pydantic",
        "truststore",
        "Crypto",
        "eth_keys",
        "coincurve",
        "websockets",
        "prometheus_client",
        "idna",
    )
    program = (
        "import sys, seqsend; seqsend.SequencerClient; seqsend.UsageError\n"
        f"print([m for m in {heavy!r} if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


@pytest.mark.parametrize(
    "error",
    [
        UsageError("wrong", example="right"),
        seqsend.InputError("stdin", "read error"),
        seqsend.PersistenceError("locked", left=False),
        seqsend.Interrupted(),
        seqsend.Unreachable("eth_chainId", (), 1.0, note="deadline passed"),
        seqsend.Rejected(
            "eth_sendRawTransaction",
            (),
            1.0,
            error=seqsend.JsonRpcError(-32000, "no", {"a": [1]}),
            hash="0x1",
        ),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_can_be_pickled_and_copied(error: BaseException) -> None:
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
        assert type(again) is type(error)
        assert vars(again) == vars(error)
        assert str(again) == str(error)
