"""Every argument is accepted or refused with a documented error, whatever its type."""

import inspect
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import seqsend
from seqsend import Line, Preference, SequencerClient, UsageError
from tests.support.servers import Replying, Request, http, jsonrpc_result
from tests.support.wallet import Wallet

RAW = Wallet(0).sign(2, nonce=0, value=1)
NOWHERE = "http://127.0.0.1:1"
PREFERENCE: Any = Preference
LINE: Any = Line

VALUES: dict[str, Any] = {
    "None": None,
    "5": 5,
    "1.5": 1.5,
    "True": True,
    "-1": -1,
    "2**70": 2**70,
    "huge": 10**5000,
    "-huge": -(10**5000),
    "nan": float("nan"),
    "inf": float("inf"),
    "complex": 1j,
    "bytes": b"x",
    "bytearray": bytearray(b"x"),
    "str": "x",
    "empty": "",
    "NUL": "\0",
    "surrogate": "\ud800",
    "path": Path("/x"),
    "object": object(),
    "function": len,
    "type": int,
    "list": [1],
    "tuple": (1,),
    "set": set(),
    "nothing": [],
    "Nones": [None],
    "mixed": ["x", 5],
    "dict": {"a": 1},
    "numbered": {1: 2},
    "header 5": {"A": 5},
    "header None": {"A": None},
    "for '1'": {"1": {"A": "b"}},
    "for 1": {1: None},
    "for 1.5": {1.5: {"A": "b"}},
    "for True": {True: {"A": "b"}},
    "range": range(3),
    "preference": PREFERENCE("x", None),
    "preference 1.5": PREFERENCE(1.5, 0),
    "preference huge": PREFERENCE(1, 10**5000),
    "line None": [LINE(1, None)],
    "line": [LINE("x", "x")],
}


def _parameters(function: Callable[..., Any]) -> list[str]:
    return [name for name in inspect.signature(function).parameters if name != "self"]


def _answer(request: Request) -> bytes:
    if not request.body:  # check asks if this is a beacon node
        return http(404, b"")
    sends = isinstance(request.json, dict) and "sendRaw" in str(request.json["method"])
    return jsonrpc_result(request, RAW.hash if sends else "0x1")


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with Replying(_answer) as server:
        yield server.url


Use = Callable[[str, Any], object]


def _client(name: str) -> Use:
    def use(url: str, value: Any) -> object:
        with SequencerClient(**{"endpoints": url, name: value}) as client:
            return client.request("m")

    return use


def _check(name: str) -> Use:
    return lambda url, value: seqsend.check(**{"endpoints": url, "deadline": 2, name: value})


def _request(name: str) -> Use:
    return lambda url, value: SequencerClient(url).request(**{"method": "m", name: value})


def _send(name: str) -> Use:
    return lambda url, value: SequencerClient(url).send_raw_transaction(
        **{"raw": RAW.raw, name: value}
    )


def _stream(name: str) -> Use:
    lines = [Line(1, RAW.raw), Line(2, RAW.raw)]
    return lambda url, value: list(SequencerClient(url).stream(**{name: value}).run(lines))


USES: dict[str, Use] = {
    **{f"client, {name}": _client(name) for name in _parameters(SequencerClient)},
    **{f"check, {name}": _check(name) for name in _parameters(seqsend.check)},
    **{f"request, {name}": _request(name) for name in _parameters(SequencerClient.request)},
    **{f"send, {n}": _send(n) for n in _parameters(SequencerClient.send_raw_transaction)},
    # Without `wait`: the run would wait for a receipt.
    **{f"stream, {n}": _stream(n) for n in _parameters(SequencerClient.stream) if n != "wait"},
    "stream, wait": lambda url, value: SequencerClient(url).stream(wait=value),
    "run": lambda url, value: list(SequencerClient(url).stream().run(value)),
    "dry run": lambda url, value: SequencerClient(url).dry_run(chain_id=value).assess(RAW.raw),
    "assess": lambda url, value: SequencerClient(url).dry_run().assess(value),
    "parse": lambda _, value: seqsend.parse_raw_transaction(value),
    "decode": lambda _, value: seqsend.decode(value),
    "state": lambda url, value: seqsend.State(value, url),
    "state of": lambda _, value: seqsend.State("/nowhere", value),
    "metrics": lambda _, value: seqsend.Metrics(value),
}
ENDLESS = {("check, count", "2**70"), ("client, retry_for", "5")}


@pytest.mark.parametrize("use", USES)
def test_any_argument_is_accepted_or_raises_a_seqsend_error(use: str, url: str) -> None:
    for name, value in VALUES.items():
        if (use, name) not in ENDLESS:
            try:
                USES[use](url, value)
            except seqsend.SeqsendError:
                continue
            except BaseException as error:
                error.add_note(f"{use}: {name}")
                raise


def test_an_observer_that_is_not_callable_is_refused_and_not_logged(
    url: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with pytest.raises(UsageError):
        SequencerClient(url, observer=5)  # type: ignore[arg-type]
    assert "observer" not in caplog.text


@pytest.mark.parametrize("value", ["sesame-open", b"sesame-open", {"sesame-open": 1}])
@pytest.mark.parametrize("name", ["headers", "endpoint_headers", "dial_timeout", "strict_errors"])
def test_a_usage_error_does_not_show_the_value(name: str, value: Any) -> None:
    with pytest.raises(UsageError) as caught:
        SequencerClient(NOWHERE, **{name: value})
    assert "sesame" not in str(caught.value)
