"""What a run remembers for the next one."""

import json
import re
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqsend.endpoints import parse_endpoints
from seqsend.errors import PersistenceError
from seqsend.models import Preference, Preferred
from seqsend.persistence.state import State, _parse
from tests.support.cli import seqsend
from tests.support.moments import until
from tests.support.node import Anvil
from tests.support.servers import Replying, Request, blackhole, dead, http

LIST = "http://seq1:8545,http://user:hunter2@seq2:8545/v2/0123456789abcdef0123"


def _state(path: Path, endpoints: str = LIST) -> State:
    return State(str(path), endpoints)


def _prefer(path: Path, index: int, endpoints: str = LIST) -> None:
    state = _state(path, endpoints)
    state(Preferred(parse_endpoints(endpoints)[index - 1]))
    state.save(patience=1)


def test_the_preference_is_kept_per_list_and_names_no_endpoint(tmp_path: Path) -> None:
    path, other = tmp_path / "state", "http://seq2:8545,http://seq1:8545"
    assert _state(path).recall() is None
    _prefer(path, 2)
    _prefer(path, 1, other)
    found, elsewhere = _state(path).recall(), _state(path, other).recall()
    assert found is not None
    assert elsewhere is not None
    assert (found.index, elsewhere.index) == (2, 1)
    assert 0 <= found.age < 5
    assert _state(path, "http://seq1:8545").recall() is None
    text = path.read_text()
    assert not [word for word in ("seq1", "hunter2", "0123456789abcdef", "http") if word in text]
    assert path.stat().st_mode & 0o077 == 0


def test_nothing_is_written_if_nothing_has_changed(tmp_path: Path) -> None:
    _state(tmp_path / "state").save(patience=1)
    assert list(tmp_path.iterdir()) == []


def test_the_latest_change_wins_whichever_run_saves_last(tmp_path: Path) -> None:
    early = _state(tmp_path / "state")
    early(Preferred(parse_endpoints(LIST)[0]))
    until(lambda: round(time.time(), 3) > early._changed["since"] if early._changed else False)
    _prefer(tmp_path / "state", 2)
    early.save(patience=1)
    found = _state(tmp_path / "state").recall()
    assert found is not None
    assert found.index == 2


def test_only_the_latest_64_lists_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "state"
    for port in range(70):
        _prefer(path, 1, f"http://seq:{port + 1}")
    assert len(json.loads(path.read_text())["lists"]) == 64
    assert _state(path, "http://seq:70").recall() is not None
    assert _state(path, "http://seq:1").recall() is None


def test_a_preference_from_the_future_counts_as_new(tmp_path: Path) -> None:
    path = tmp_path / "state"
    _prefer(path, 2)
    text = path.read_text()
    path.write_text(text.replace('"since": 1', '"since": 9'))
    assert _state(path).recall() == Preference(2, age=0.0)


@given(st.text() | st.recursive(st.integers() | st.text(), st.lists).map(json.dumps))
def test_any_text_but_a_state_is_refused(text: str) -> None:
    with pytest.raises(PersistenceError):
        _parse(text)


@pytest.mark.parametrize(
    "text",
    [
        '{"version": 1, "lists": {"a": {"preferred": 0, "since": 1}}}',
        '{"version": 1, "lists": {"a": {"preferred": "2", "since": 1}}}',
        '{"version": 1, "lists": {"a": {"preferred": 2, "since": NaN}}}',
        '{"version": 1, "lists": {"a": {"preferred": 2}}}',
        '{"version": 1, "lists": {"a": {"preferred": 2, "since": 1e400}}}',
        '{"version": 1, "lists": {"a": {"preferred": 2, "since": -1}}}',
        f'{{"version": 1, "lists": {{"a": {{"preferred": 2, "since": 2{"0" * 308}}}}}}}',
        f'{{"version": 1, "lists": {{"a": {{"preferred": 2, "since": 2{"0" * 5000}}}}}}}',
        '{"version": 1, "lists": {"a": {"preferred": true, "since": 1}}}',
        f'{{"version": "{"x" * 100_000}", "lists": {{}}}}',
        '{"version": 1, "lists": []}',
        '{"version": 2, "lists": {}}',
        '{"version": 1, "lists": {"a": {"pref',
        "[" * 100_000,
    ],
)
def test_an_invalid_file_is_kept_with_a_warning_and_stops_nothing(
    text: str, tmp_path: Path, node: Anvil
) -> None:
    path = tmp_path / "state"
    path.write_text(text)
    with dead() as nobody:
        at = f"--rollup.sequencer={nobody.url},{node.url}"
        run = seqsend("rpc", "eth_chainId", at, f"--state-file={path}")
    assert (run.code, run.out) == (0, "0x7a69\n")
    assert run.err.count("warning: ") == 1
    assert f"warning: --state-file {path}: " in run.err
    assert len(run.err) < 1000
    assert path.read_text() == text


def test_the_second_run_does_not_wait_for_a_dead_first_endpoint(
    tmp_path: Path, node: Anvil
) -> None:
    with blackhole() as hole:
        words = (
            f"--rollup.sequencer={hole.url},{node.url}",
            "--sequencer-dial-timeout=1s",
            f"--state-file={tmp_path / 'state'}",
            "--json",
        )
        first, second, third = (seqsend("rpc", "eth_chainId", *words).document for _ in range(3))
        assert first["elapsed_ms"] >= 1000
        assert (first["failovers"], second["failovers"], third["failovers"]) == (1, 0, 0)
        assert second["elapsed_ms"] < 1000
        # A run asks endpoint 1 again once --failback-after has passed.
        late = seqsend("rpc", "eth_chainId", *words, "--failback-after=1ms").document
        assert late["failovers"] == 1
        soon = seqsend("rpc", "eth_chainId", *words, "--failback-after=1h").document
        assert soon["failovers"] == 0
        checked = seqsend("check", *words[:-1])
        assert re.search("endpoint 2 is the preferred one, since [0-9]+ s\n", checked.err)


def test_a_return_to_endpoint_1_is_remembered_too(tmp_path: Path, node: Anvil) -> None:
    path, statuses = tmp_path / "state", [503, 200]

    def reply(request: Request) -> bytes:
        answer = {"jsonrpc": "2.0", "id": request.json["id"], "result": "0x7a69"}
        return http(statuses.pop(0), json.dumps(answer).encode())

    with Replying(reply) as server:
        words = (f"--rollup.sequencer={server.url},{node.url}", f"--state-file={path}")
        for failback, preferred in (("1h", 2), ("1ms", 1), ("1h", 1)):
            statuses.append(200)
            seqsend("rpc", "eth_chainId", *words, f"--failback-after={failback}")
            (entry,) = json.loads(path.read_text())["lists"].values()
            assert entry["preferred"] == preferred
