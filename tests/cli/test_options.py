"""The options of every command: one table, read from the command line and the environment."""

import inspect
from collections.abc import Mapping
from typing import Any

import pytest

from seqsend import SequencerClient, check, configuration
from seqsend.cli.options import Connection, Settings, read_settings
from seqsend.cli.shared_options import OPTIONS, OUTPUT
from seqsend.errors import UsageError

NOTHING: dict[str, Any] = {option.field: None for option in OPTIONS}
URL = "http://seq1:8545"


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for option in OPTIONS:
        monkeypatch.delenv(option.environment or "-", raising=False)


def _read(**typed: Any) -> Settings:
    return read_settings(NOTHING | {"endpoints": [URL]} | typed)


def _values(settings: Settings) -> dict[str, Any]:
    own = settings._asdict()
    return {**own.pop("connection"), **own}


def test_every_row_has_one_field_and_every_field_one_row() -> None:
    rows = [option.field for option in OPTIONS if option.group != OUTPUT]
    assert len(set(rows)) == len(rows)
    assert set(_values(_read())) == {*rows, "endpoint_headers"}
    flags = [flag for option in OPTIONS for flag in option.flags]
    assert len(set(flags)) == len(flags)


@pytest.mark.parametrize("function", [SequencerClient.__init__, check, configuration.configure])
def test_the_library_takes_every_connection_option_with_the_same_default(function: Any) -> None:
    taken = inspect.signature(function).parameters
    assert set(Connection.__annotations__) <= set(taken)
    for name, value in _values(_read()).items():
        if name in taken and name != "endpoints" and "header" not in name:
            assert taken[name].default in (value, inspect.Parameter.empty), name


# Field → the text typed for it, and its value.
TYPED: Mapping[str, tuple[str, Any]] = {
    "endpoints": ("http://a,http://b", "http://a,http://b"),
    "headers": ("X-Key=a b", {"X-Key": "a b"}),
    "reads_from": ("http://c,http://d", "http://c,http://d"),
    "rollup_rpc": ("http://e", "http://e"),
    "client_cert": ("/a cert.pem", "/a cert.pem"),
    "client_key": ("key.pem", "key.pem"),
    "dial_timeout": ("300ms", 0.3),
    "request_timeout": ("1m 30s", 90.0),
    "deadline": ("2 min", 120.0),
    "failback_after": ("1h", 3600.0),
    "retry_for": ("30s", 30.0),
    "hedge_after": ("0ms", 0.0),
    "max_response_size": ("4KiB", 4096),
    "strict_errors": ("yes", True),
    "state_file": ("a state", "a state"),
    "metrics_file": ("m.prom", "m.prom"),
}


def test_the_table_covers_every_variable() -> None:
    assert set(TYPED) == {option.field for option in OPTIONS if option.environment}


@pytest.mark.parametrize("field", TYPED)
@pytest.mark.parametrize("text", ["{}", " {}\t", "{}\r", "{}\r\n"])
def test_a_variable_is_trimmed(field: str, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (option,) = (option for option in OPTIONS if option.field == field)
    typed, value = TYPED[field]
    assert option.environment is not None
    monkeypatch.setenv(option.environment, text.format(typed))
    options = NOTHING if field == "endpoints" else NOTHING | {"endpoints": [URL]}
    assert _values(read_settings(options))[field] == value


@pytest.mark.parametrize("field", TYPED)
@pytest.mark.parametrize("text", ["", " ", "\r\n"])
def test_an_empty_variable_counts_as_not_set(
    field: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (option,) = (option for option in OPTIONS if option.field == field)
    before = _values(_read())
    monkeypatch.setenv(option.environment or "", text)
    assert _values(_read()) == before


def test_a_switch_beats_its_variable_both_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not _read().strict_errors
    assert _read(strict_errors=True).strict_errors
    monkeypatch.setenv("SEQSEND_STRICT_ERRORS", "1")
    assert _read().strict_errors
    assert not _read(strict_errors=False).strict_errors
    monkeypatch.setenv("SEQSEND_STRICT_ERRORS", "maybe")
    with pytest.raises(UsageError, match="SEQSEND_STRICT_ERRORS: 'maybe' is neither yes nor no"):
        _read()


def test_headers_are_split_into_those_for_all_and_for_one_endpoint(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SEQSEND_SEQUENCER_HEADERS", "A=1\r\n\r\n2:B=2\r\n")
    connection = _read().connection
    assert (connection["headers"], connection["endpoint_headers"]) == ({"A": "1"}, {2: {"B": "2"}})


@pytest.mark.parametrize(
    "field", ["cacert", "client_cert", "client_key", "state_file", "metrics_file"]
)
def test_an_empty_path_is_refused_with_the_name_of_its_option(field: str) -> None:
    (option,) = (option for option in OPTIONS if option.field == field)
    with pytest.raises(UsageError, match=f"{option.name}: the path is empty; example: "):
        _read(**{field: ""})


@pytest.mark.parametrize("typed", [None, [""], [" , ", ","]])
@pytest.mark.parametrize("variable", ["", "http://u:s3cret@elsewhere"])
def test_no_endpoint_is_a_usage_error_that_mentions_eth_rpc_url_if_set(
    typed: list[str] | None, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ETH_RPC_URL", variable)
    with pytest.raises(UsageError) as caught:
        read_settings(NOTHING | {"endpoints": typed})
    assert ("ETH_RPC_URL is set, but is not used" in str(caught.value)) == bool(variable)
    assert "s3cret" not in str(caught.value)


def test_lists_are_joined_in_the_order_given() -> None:
    endpoints = ["http://a,http://b", " ", "http://c "]
    assert _read(endpoints=endpoints).connection["endpoints"] == "http://a,http://b, ,http://c "
