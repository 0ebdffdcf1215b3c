"""Runs scenarios: with the library in this process, or with the program as a user starts it."""

import json
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

from seqsend import CallError, SeqsendError, SequencerClient
from tests.support.cli import COMMAND
from tests.support.model.chain import Chain
from tests.support.model.endpoint import Character, Endpoint
from tests.support.model.observation import (
    End,
    Observation,
    end_of_document,
    end_of_library,
)
from tests.support.model.reactions import PROFILES
from tests.support.model.scenario import (
    DIAL_TIMEOUT,
    REQUEST_TIMEOUT,
    Mode,
    Scenario,
    SignalMoment,
    draw_scenario,
)
from tests.support.servers import blackhole, dead

_TOO_LONG = 60.0  # seconds after which a process counts as hanging
_HEALTHY = Character(PROFILES[0])


def run_scenario(mode: Mode, seed: str) -> Observation:
    """Run the scenario of a mode and a seed; return what was reported and what was true."""
    scenario = draw_scenario(mode, seed)
    chain = Chain(scenario.transactions)
    for each in scenario.before:
        chain.take(each)
    with _endpoints(scenario, chain) as urls:
        if mode in ("program", "signals"):
            seen = _run_program(scenario, chain, urls)
        else:
            seen = _run_library(scenario, urls)
    if scenario.hedge_after is not None:
        seen.ends = [replace(end, is_hedged=True) for end in seen.ends]
    # Only now can no endpoint take anything more.
    seen.log, seen.taken = list(chain.log), chain.taken
    if mode == "signals":
        seen.ran_again = _run_again(scenario, chain)
    return seen


@contextmanager
def _endpoints(scenario: Scenario, chain: Chain) -> Iterator[list[str]]:
    with ExitStack() as stack:
        urls = []
        for index, kind in enumerate(scenario.endpoints, start=1):
            if isinstance(kind, str):
                nobody = dead() if kind == "dead" else blackhole()
                urls.append(stack.enter_context(nobody).url)
                continue
            random = Random(f"{scenario.mode} {scenario.seed} endpoint {index}")
            urls.append(stack.enter_context(Endpoint(index, chain, kind, random)).url)
        yield urls


# ---- The library ----


def _run_library(scenario: Scenario, urls: list[str]) -> Observation:
    seen = Observation(scenario, [], [], frozenset(), 0.0)
    started = time.monotonic()
    try:
        with SequencerClient(
            urls,
            dial_timeout=DIAL_TIMEOUT,
            request_timeout=REQUEST_TIMEOUT,
            deadline=scenario.deadline,
            retry_for=scenario.retry_for,
            hedge_after=scenario.hedge_after,
        ) as client:
            if scenario.mode == "one":
                seen.ends = [_send_one(client, scenario)]
            elif scenario.mode == "rpc":
                seen.answer = _call(client, scenario.method)
            else:
                seen.ends = send_stream(client, scenario)
    except Exception as error:  # noqa: BLE001 - any exception is a finding
        seen.raised = error
    seen.elapsed = time.monotonic() - started
    return seen


def _send_one(client: SequencerClient, scenario: Scenario) -> End:
    (tx,) = scenario.transactions
    try:
        sent = client.send_raw_transaction(tx.raw)
    except CallError as error:
        return end_of_library(error.status, error, tx.hash)
    return end_of_library(sent.status, sent, tx.hash)


def _call(client: SequencerClient, method: str) -> Any:
    try:
        return client.request(method)
    except SeqsendError as error:
        return error


def send_stream(client: SequencerClient, scenario: Scenario) -> list[End]:
    """Send the transactions of the input with the library."""
    from seqsend.sending.stream import Line

    lines = iter([Line(line.number, line.text) for line in scenario.lines])
    stream = client.stream(
        batch_size=scenario.batch_size,
        in_flight=scenario.in_flight,
        keep_going=scenario.keep_going,
    )
    return [
        end_of_library(ended.status, ended.end, ended.hash, ended.line)
        for ended in stream.run(lines)
    ]


# ---- The program ----


def _run_program(scenario: Scenario, chain: Chain, urls: list[str]) -> Observation:
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory, "transactions.txt")
        file.write_text(scenario.text)
        started = time.monotonic()
        process = subprocess.Popen(
            [*COMMAND, *_arguments(scenario, urls, str(file))],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        signalled: list[float] = []
        sender = threading.Thread(
            target=_send_signals, args=(scenario.signals, process, chain, signalled), daemon=True
        )
        sender.start()
        try:
            out, err = process.communicate(timeout=_TOO_LONG)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
        ended = time.monotonic()
        sender.join(_TOO_LONG)
    ends, garbage = _read_ends(out)
    return Observation(
        scenario,
        ends,
        [],
        frozenset(),
        ended - started,
        exit_code=process.returncode,
        stderr=err,
        signalled=signalled,
        after_signal=ended - signalled[0] if signalled else None,
        garbage=garbage,
    )


def _arguments(scenario: Scenario, urls: list[str], file: str) -> list[str]:
    return [
        "send",
        f"--file={file}",
        "--json",
        f"--rollup.sequencer-http={','.join(urls)}",
        f"--sequencer-dial-timeout={int(DIAL_TIMEOUT * 1000)}ms",
        f"--sequencer-request-timeout={int(REQUEST_TIMEOUT * 1000)}ms",
        f"--batch-size={scenario.batch_size}",
        f"--in-flight={scenario.in_flight}",
        *(["--keep-going"] if scenario.keep_going else []),
        *([f"--deadline={int(scenario.deadline * 1000)}ms"] if scenario.deadline else []),
        *(
            [f"--hedge-after={int(scenario.hedge_after * 1000)}ms"]
            if scenario.hedge_after is not None
            else []
        ),
    ]


def _send_signals(
    moments: Sequence[SignalMoment],
    process: "subprocess.Popen[str]",
    chain: Chain,
    signalled: list[float],
) -> None:
    for moment in moments:
        if moment.event != "start":
            # In short waits, because the process may end before the event.
            while not chain.wait_for(moment.event, moment.count, 0.05):
                if process.poll() is not None:
                    return
        time.sleep(moment.delay)
        if process.poll() is not None:
            return
        if moment.stopped_for is not None:
            process.send_signal(signal.SIGSTOP)
            time.sleep(moment.stopped_for)
        signalled.append(time.monotonic())
        process.send_signal(getattr(signal, moment.name))
        if moment.stopped_for is not None:
            process.send_signal(signal.SIGCONT)


def _read_ends(out: str) -> tuple[list[End], str]:
    ends, garbage = [], []
    for line in out.splitlines():
        try:
            ends.append(end_of_document(json.loads(line)))
        except (ValueError, TypeError, KeyError, AttributeError):
            garbage.append(line)
    return ends, "\n".join(garbage)


def _run_again(scenario: Scenario, chain: Chain) -> list[str]:
    """Send everything once more, to a healthy endpoint."""
    statuses: list[str] = []
    with (
        Endpoint(1, chain, _HEALTHY, Random(0)) as endpoint,
        SequencerClient(endpoint.url) as client,
    ):
        for tx in scenario.transactions:
            try:
                statuses.append(client.send_raw_transaction(tx.raw).status)
            except SeqsendError as error:
                statuses.append(type(error).__name__)
    return statuses
