"""Every fault of the failure table, with the program run as a user runs it.

Endpoint 1 fails, endpoint 2 is a live node; over WebSocket the failing endpoint is alone. Whatever
happens, the transaction is in the node or the outcome says truthfully why not, in time, without a
traceback, and without a secret on any stream or in any file.
"""

import base64
import os
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from seqsend import CallError, SequencerClient
from seqsend.failover import requester
from seqsend.render.outcome import EXIT_CODES
from seqsend.verdicts import failure_table as table
from seqsend.verdicts.failure_table import Row
from tests.conftest import FreshTx
from tests.support.certificates import Authority
from tests.support.cli import Run, seqsend
from tests.support.faults import HTTP, WEBSOCKET, Fault, World
from tests.support.nginx import Nginx
from tests.support.node import Anvil

DIAL_MS, REQUEST_MS, OVERRUN_MS = 500, 1000, 250
BEFORE_THE_REQUEST = ("dns", "dial", "proxy", "tls", "upgrade")

USER, PASSWORD, KEY = "plantedUser", "plantedPassword", "plantedKey0123456789"
TOKEN, HEADER = "plantedToken", "plantedHeader"
BASIC = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
SECRETS = (USER, PASSWORD, KEY, TOKEN, HEADER, BASIC)

ENDS_HTTP = {row: "rejected" if row.kind == "verdict" else "accepted" for row in table.ROWS}
ENDS_WEBSOCKET = {
    row: {"verdict": "rejected", "result": "accepted"}.get(
        row.kind, "unreachable" if row.delivered == "no" else "unknown"
    )
    for row in table.ROWS
}


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def nginx(node: Anvil, authority: Authority) -> Iterator[Callable[[], Nginx]]:
    started: list[Nginx] = []
    with ExitStack() as stack:

        def start() -> Nginx:
            if not started:
                started.append(stack.enter_context(Nginx(node.url, authority)))
            return started[0]

        yield start


@pytest.fixture
def world(
    node: Anvil, authority: Authority, fresh_tx: FreshTx, nginx: Callable[[], Nginx]
) -> World:
    return World(node, authority, fresh_tx(), nginx)


def with_secrets(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{USER}:{PASSWORD}@{parts.netloc}{parts.path}/{KEY}/?t={TOKEN}"


def send(world: World, options: tuple[str, ...], home: Path, *urls: str) -> Run:
    return seqsend(
        "send",
        world.signed.raw,
        f"--rollup.sequencer-http={','.join(urls)}",
        f"--rollup.sequencer-headers=X-Secret={HEADER}",
        f"--sequencer-dial-timeout={DIAL_MS}ms",
        f"--sequencer-request-timeout={REQUEST_MS}ms",
        f"--cacert={world.authority.pem}",
        "--json",
        "-v",
        *options,
        directory=home,
        # Without coverage, which would double the time of hundreds of starts.
        environment={k: v for k, v in os.environ.items() if not k.startswith("COVERAGE")}
        | {"HOME": str(home), "TMPDIR": str(home)},
    )


def worst_overrun(run: Run) -> float:
    """Return by how many ms an attempt missed its deadline; 0 if none did."""
    limits = {True: DIAL_MS, False: REQUEST_MS}
    late = (
        a["elapsed_ms"] - limits[a["phase"] in BEFORE_THE_REQUEST] for a in run.document["attempts"]
    )
    return float(max(0.0, *late))


def check(run: Run, world: World, ends: str, home: Path) -> None:
    assert run.document["status"] == ends, run.err
    assert run.code == EXIT_CODES[ends]
    assert run.document["hash"] == world.signed.hash
    delivered = ends in ("accepted", "known")
    assert world.node.has_transaction(world.signed.hash) == delivered
    assert worst_overrun(run) <= OVERRUN_MS, run.document
    assert run.lingered <= 1
    written = [path.name for path in home.rglob("*") if not path.name.startswith(".coverage")]
    assert written == []
    assert [s for s in SECRETS if s.lower() in (run.out + run.err).lower()] == []
    assert "\x1b" not in run.out + run.err


def provoked(
    world: World, url: str, fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> tuple[list[Row], str]:
    """Return the rows that the fault falls into, and everything a program could log of it."""
    judged: list[table.Judgement] = []

    def note(
        judge: Callable[..., table.Judgement],
    ) -> Callable[..., table.Judgement]:
        def judging(*arguments: object, **named: object) -> table.Judgement:
            judged.append(judge(*arguments, **named))
            return judged[-1]

        return judging

    monkeypatch.setattr(requester, "judge_reply", note(table.judge_reply))
    monkeypatch.setattr(requester, "judge_failure", note(table.judge_failure))
    limit = 65_536 if fault.options else 32 * 2**20
    with SequencerClient(
        url,
        dial_timeout=DIAL_MS / 1000,
        request_timeout=0.7,
        deadline=0.8,
        headers={"X-Secret": HEADER},
        cacert=world.authority.pem,
        max_response_size=limit,
    ) as client:
        try:
            said = repr(client.send_raw_transaction(world.signed.raw))
        except CallError as error:
            said = f"{error!r} {error.attempts!r} {''.join(traceback.format_exception(error))}"
    return [judgement.row for judgement in judged], said


# Verdicts in unknown words: they lead to a look-up, which these endpoints answer in the same words.
UNKNOWN_WORDS = {
    "hostile text",
    "a surrogate",
    "3 MB",
    "a code of its own",
    "no id to answer to",
}


def end_of(row: Row, fault: Fault, ends: Mapping[Row, str]) -> str:
    in_unknown_words = row is table.VERDICT and fault.name in UNKNOWN_WORDS
    return fault.ends or ("unknown" if in_unknown_words else ends[row])


def cases(
    faults_of: Mapping[Row, tuple[Fault, ...]], ends: Mapping[Row, str], *, alone: bool
) -> list[Any]:
    name = "WebSocket, " if alone else ""
    return [
        pytest.param(
            row, fault, end_of(row, fault, ends), alone, id=f"{name}{row.name}: {fault.name}"
        )
        for row, faults in faults_of.items()
        for fault in faults
    ]


CASES = cases(HTTP, ENDS_HTTP, alone=False) + cases(WEBSOCKET, ENDS_WEBSOCKET, alone=True)


@pytest.mark.parametrize(("row", "fault", "ends", "alone"), CASES)
def test_a_fault_loses_no_transaction_and_is_reported_truthfully(
    *,
    row: Row,
    fault: Fault,
    ends: str,
    alone: bool,
    world: World,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    record_property: Callable[[str, object], None],
) -> None:
    record_property("fault", f"{'WebSocket, ' if alone else ''}{row.name}: {fault.name}")
    with fault.start(world) as url:
        secret = with_secrets(url)
        run = send(world, fault.options, tmp_path, secret, *(() if alone else (world.node.url,)))
        record_property("overrun_ms", worst_overrun(run))
        check(run, world, ends, tmp_path)
        first = run.document["attempts"][0]
        assert (first["endpoint"]["index"], first["delivered"]) == (1, row.delivered)
        found, said = provoked(world, secret, fault, monkeypatch)
    # A transaction that was taken is refused the second time, and then found.
    assert found[-1 if row is table.RESULT else 0] == row
    assert [s for s in SECRETS if s.lower() in said.lower()] == []


def test_every_row_of_the_failure_table_has_a_fault() -> None:
    assert set(HTTP) == set(table.ROWS)
    http_only = {row for row in table.ROWS if row.name.startswith("HTTP ")}
    assert set(WEBSOCKET) == set(table.ROWS) - http_only
    assert all([*HTTP.values(), *WEBSOCKET.values()])
    assert len(CASES) >= 40
