"""`--rollup-rpc`: calls begin at the active sequencer, and follow when it changes."""

import json
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqsend import (
    Attempt,
    CallEnded,
    EndpointRole,
    Event,
    Preference,
    Rejected,
    RolesAsked,
    SequencerClient,
    Unreachable,
    UsageError,
    threads,
    waiting,
)
from seqsend.endpoints import parse_endpoints
from seqsend.errors import EndpointFailure
from seqsend.failover import roles as module
from seqsend.failover.roles import Roles
from seqsend.models import JsonRpcError
from seqsend.transports.base import Deadline
from seqsend.verdicts.failure_table import Judgement, judge_error, judge_failure
from tests.support.cli import Run, seqsend, start
from tests.support.model.transactions import make_transaction
from tests.support.moments import is_asleep, until
from tests.support.rollup import Kind, Rollup, no_such_method
from tests.support.servers import (
    Closing,
    Replying,
    Request,
    Silent,
    blackhole,
    dead,
    http,
    jsonrpc_error,
    jsonrpc_result,
)
from tests.support.wallet import Wallet

SIGNED = Wallet(0).sign(2, nonce=0)
MARGIN = 0.25  # seconds by which a promised time may be missed
LONG = 20.0  # seconds; a timeout that no test here reaches
GRACE = 0.5  # seconds left to a slow op-node once an active one has answered
NOT_LEADER = "refusing to proxy request to non-leader sequencer"


def roles_in(events: list[Event]) -> list[list[str]]:
    """Return the roles that each round of questions found."""
    return [[each.role for each in e.roles] for e in events if isinstance(e, RolesAsked)]


@contextmanager
def open_client(rollup: Rollup, **arguments: Any) -> Iterator[tuple[SequencerClient, list[Event]]]:
    events: list[Event] = []
    with SequencerClient(
        rollup.urls, rollup_rpc=rollup.node_urls, observer=events.append, **arguments
    ) as client:
        yield client, events


@pytest.mark.parametrize("kind", ["op-node", "op-conductor", "proxy of a conductor"])
@pytest.mark.parametrize("active", [1, 2, 3])
def test_calls_begin_at_the_active_sequencer(kind: Kind, active: int) -> None:
    with Rollup([kind] * 3, active=active) as rollup, open_client(rollup) as (client, events):
        sent = client.send_raw_transaction(SIGNED.raw)
        answer = client.request("eth_chainId")
    assert (sent.endpoint.index, answer.endpoint.index) == (active, active)
    assert [len(sent.attempts), len(answer.attempts)] == [1, 1]
    assert sent.role == "active"
    (roles,) = roles_in(events)  # asked once, for both calls
    assert [n for n, role in enumerate(roles, start=1) if role == "active"] == [active]
    assert roles.count("standby") == 2


def test_kinds_of_nodes_can_be_mixed() -> None:
    kinds: list[Kind] = ["op-node without admin", "op-conductor", "op-node"]
    with Rollup(kinds, active=3) as rollup, open_client(rollup) as (client, events):
        assert client.request("eth_chainId").endpoint.index == 3
    assert roles_in(events) == [["unhealthy", "standby", "active"]]


def _saying(value: Any) -> Callable[[Request], bytes]:
    return lambda request: jsonrpc_result(request, value)


# What an op-node does → part of the reason for "unhealthy".
UNHEALTHY: dict[str, tuple[Callable[[], Any], str]] = {
    "refuses connections": (dead, "connection refused"),
    "takes no connection": (blackhole, "connection timed out (dial timeout 400ms)"),
    "is silent": (Silent, "no answer in time (dial timeout 400ms)"),
    "closes": (lambda: Closing(after="request", how="fin"), "closed"),
    "is no op-node": (lambda: Replying(no_such_method), "--rpc.enable-admin"),
    "says null": (lambda: Replying(_saying(None)), "neither true nor false"),
    "says 1": (lambda: Replying(_saying(1)), "neither true nor false"),
    "says a word": (lambda: Replying(_saying("true")), "neither true nor false"),
    "says HTML": (lambda: Replying(http(200, b"<html>")), "HTML"),
    "fails": (lambda: Replying(http(503, b"later")), "HTTP 503"),
    "says an error": (
        lambda: Replying(lambda request: jsonrpc_error(request, -32000, "no L1 origin yet")),
        "no L1 origin yet",
    ),
}


@pytest.mark.parametrize("case", UNHEALTHY)
def test_a_node_that_gives_no_role_is_unhealthy_and_costs_only_its_timeout(case: str) -> None:
    make, words = UNHEALTHY[case]
    events: list[Event] = []
    with make() as node, Rollup(["op-node"], active=None) as rollup:
        started = time.monotonic()
        with SequencerClient(
            rollup.urls, rollup_rpc=node.url, dial_timeout=0.4, observer=events.append
        ) as client:
            sent = client.send_raw_transaction(SIGNED.raw)
        elapsed = time.monotonic() - started
    assert (sent.status, sent.role) == ("accepted", "unhealthy")
    (asked,) = (event for event in events if isinstance(event, RolesAsked))
    assert words in str(asked.roles[0].reason)
    assert elapsed < 0.4 + 2 * MARGIN


def _send(*arguments: str) -> Run:
    return seqsend("send", SIGNED.raw, *arguments)


@pytest.mark.parametrize("kind", ["op-node", "op-node without admin"])
def test_without_an_active_sequencer_it_warns_and_keeps_the_usual_order(kind: Kind) -> None:
    with Rollup([kind] * 2, active=None) as rollup:
        run = _send(*rollup.arguments)
        shown = _send(*rollup.arguments, "--json").document
        quiet = _send(*rollup.arguments, "-q")
    assert (run.code, run.out) == (0, f"{SIGNED.hash}\n")
    first, *rest = run.err.splitlines()
    assert first.startswith("warning: --rollup-rpc: no active sequencer")
    assert (shown["exit_code"], shown["endpoint"]["index"]) == (0, 1)
    assert quiet.err == ""
    standby = "accepted by endpoint 1 of 2 http://127.0.0.1"
    if kind == "op-node":
        assert standby in rest[0]
        assert "a standby according to its op-node" in rest[0]
        assert shown["endpoint"]["role"] == shown["attempts"][0]["endpoint"]["role"] == "standby"
    else:  # no op-node said that it is one
        assert standby not in run.err
        assert shown["endpoint"]["role"] == "unhealthy"


def test_without_the_option_roles_are_neither_asked_for_nor_shown() -> None:
    with Rollup(["op-node"]) as rollup:
        shown = _send(f"--rollup.sequencer-http={rollup.urls}", "--json").document
    assert "role" not in shown["endpoint"]
    assert rollup.questions == []


def test_the_first_of_several_active_sequencers_is_used_with_a_warning() -> None:
    with Rollup(["op-node"] * 3, active=2) as rollup, Replying(_saying(True)) as other:
        rollup.nodes[2] = other
        run = _send(*rollup.arguments)
    assert [index for _, index, _ in rollup.landed] == [2]
    assert run.err.startswith("warning: --rollup-rpc: endpoints 2, 3 all report an active")
    assert "begin at endpoint 2" in run.err


def test_after_an_outage_the_same_call_goes_on_at_the_new_active_sequencer() -> None:
    with Rollup(["op-node"] * 3) as rollup, open_client(rollup) as (client, events):
        assert client.request("eth_chainId").endpoint.index == 1
        rollup.kill(1)
        rollup.active = 3
        sent = client.send_raw_transaction(SIGNED.raw)
        assert client.preferred.index == 3
        answer = client.request("eth_chainId")
    assert [a.endpoint.index for a in sent.attempts] == [1, 3]
    assert [a.role for a in sent.attempts] == ["active", "active"]  # each when it ended
    assert (sent.role, answer.endpoint.index, len(answer.attempts)) == ("active", 3, 1)
    assert len(roles_in(events)) == 2


def test_a_standby_is_used_until_another_sequencer_has_taken_over() -> None:
    with Rollup(["op-node"] * 3) as rollup, open_client(rollup) as (client, events):
        client.request("eth_chainId")
        rollup.kill(1)
        rollup.active = None
        sent = client.send_raw_transaction(SIGNED.raw)
        assert (sent.endpoint.index, sent.role) == (2, "standby")
        rollup.active = 3

        def has_moved() -> bool:
            return client.request("eth_chainId").endpoint.index == 3

        until(has_moved, within=3.0)  # noticed although there is no further outage
    assert roles_in(events)[-1] == ["standby", "standby", "active"]
    assert len(roles_in(events)) == 3


@pytest.mark.parametrize("strict", [False, True])
def test_an_endpoint_that_says_it_does_not_lead_is_left(strict: bool) -> None:  # noqa: FBT001
    with (
        Rollup(["op-conductor"] * 3) as rollup,
        open_client(rollup, strict_errors=strict) as (client, _),
    ):
        client.request("eth_chainId")
        rollup.active = 3
        rollup.before = lambda index, request: (
            None if index == 3 else jsonrpc_error(request, -32000, NOT_LEADER)
        )
        if strict:  # the error is the answer, and the next call asks for the roles again
            with pytest.raises(Rejected):
                client.send_raw_transaction(SIGNED.raw)
            assert rollup.landed == []
        sent = client.send_raw_transaction(SIGNED.raw)
    assert sent.endpoint.index == 3
    assert [a.endpoint.index for a in sent.attempts] == ([3] if strict else [1, 3])


def test_after_a_verdict_the_roles_are_not_asked_for_again() -> None:
    with Rollup(["op-node"] * 2) as rollup, open_client(rollup) as (client, events):
        rollup.before = lambda _, request: jsonrpc_error(request, -32000, "insufficient funds")
        for _ in range(2):
            with pytest.raises(Rejected):
                client.send_raw_transaction(SIGNED.raw)
    assert len(roles_in(events)) == 1


def test_the_role_beats_an_earlier_preference_and_the_failback() -> None:
    with (
        Rollup(["op-node"] * 3, active=3) as rollup,
        open_client(rollup, begin_at=Preference(2, age=9.0), failback_after=0.001) as (client, _),
    ):
        assert client.request("eth_chainId").endpoint.index == 3
        time.sleep(0.002)  # past the failback
        assert client.preferred.index == 3
        assert client.request("eth_chainId").endpoint.index == 3


def test_a_state_file_does_not_beat_the_role(tmp_path: Path) -> None:
    state = f"--state-file={tmp_path / 'state'}"
    with Rollup(["op-node"] * 2, active=2) as rollup:
        list_, roles = rollup.arguments
        assert _send(list_, roles, state).code == 0
        rollup.active = 1
        assert _send(list_, roles, state).code == 0
        assert _send(list_, state).code == 0
    assert [index for _, index, _ in rollup.landed] == [2, 1, 1]


@given(
    roles=st.lists(st.sampled_from(["active", "standby", "unhealthy"]), min_size=1, max_size=5),
    tried=st.sets(st.integers(1, 5)),
)
def test_the_order_is_cyclic_from_the_first_active_endpoint_not_yet_tried(
    roles: list[Any], tried: set[int]
) -> None:
    endpoints = parse_endpoints([f"http://seq{n}" for n in range(1, len(roles) + 1)])
    known = Roles(endpoints, endpoints, Untouched(), dial_timeout=1.0)
    said = tuple(EndpointRole(e, r) for e, r in zip(endpoints, roles, strict=True))
    known.ask = lambda by, **_: RolesAsked(said, by.remaining)  # type: ignore[method-assign]
    left = tuple(endpoint for endpoint in endpoints if endpoint.index not in tried)
    assert known.active_first(left) == left  # not asked yet
    known.refresh()
    order = [endpoint.index for endpoint in known.active_first(left)]
    assert sorted(order) == [endpoint.index for endpoint in left]
    active = [n for n in sorted(order) if roles[n - 1] == "active"]
    if active:
        assert order[0] == active[0]
        assert order == [n for n in sorted(order) if n >= active[0]] + [
            n for n in sorted(order) if n < active[0]
        ]
    else:
        assert order == sorted(order)


REFUSED = judge_failure(EndpointFailure("connection refused", "refused"), written=False)
LACKING = judge_error(JsonRpcError(-32601, "method not found"), strict_errors=False)
FUNDS = judge_error(JsonRpcError(-32000, "insufficient funds"), strict_errors=False)
FOLLOWER = judge_error(JsonRpcError(-32000, NOT_LEADER), strict_errors=True)


@pytest.mark.parametrize(
    ("roles", "index", "method", "judgement", "asks"),
    [
        ("active standby", 1, "eth_chainId", REFUSED, True),
        ("active standby", 1, "eth_sendRawTransaction", LACKING, True),
        ("active standby", 1, "eth_chainId", FOLLOWER, True),
        ("standby standby", 2, "eth_chainId", REFUSED, True),
        ("active standby", 2, "eth_chainId", REFUSED, False),  # of a call that began earlier
        ("active standby", 1, "eth_getProof", LACKING, False),
        ("active standby", 1, "eth_sendRawTransaction", FUNDS, False),
    ],
)
def test_which_failures_make_the_roles_doubtful(
    roles: str,
    index: int,
    method: str,
    judgement: Judgement,
    asks: bool,  # noqa: FBT001
) -> None:
    endpoints = parse_endpoints("http://a,http://b")
    known = Roles(endpoints, endpoints, Untouched(), dial_timeout=1.0)
    said = [EndpointRole(e, r) for e, r in zip(endpoints, roles.split(), strict=True)]  # type: ignore[arg-type]
    asked = 0

    def ask(by: Deadline, **_patience: bool) -> RolesAsked:
        nonlocal asked
        asked += 1
        return RolesAsked(tuple(said), by.remaining)

    known.ask = ask  # type: ignore[method-assign]
    before = time.monotonic()
    known.refresh()
    known.note(endpoints[index - 1], method, judgement, before)  # it began before the questions
    known.refresh()
    assert asked == 1
    assert known.of(endpoints[0]) == said[0].role
    known.note(endpoints[index - 1], method, judgement, time.monotonic())
    if asks:
        assert known.active_first(endpoints[::-1]) == endpoints[::-1]
    known.refresh()
    assert asked == 1 + asks


@pytest.mark.parametrize(("pause", "asked_then"), [(60.0, 1), (0.0, 2)])
def test_an_active_sequencer_slower_than_others_is_doubted_after_a_pause(
    pause: float, asked_then: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_PAUSE", pause)
    endpoints = parse_endpoints("http://a,http://b")
    known = Roles(endpoints, endpoints, Untouched(), dial_timeout=1.0)
    said = (EndpointRole(endpoints[0], "active"), EndpointRole(endpoints[1], "standby"))
    asked = 0

    def ask(_by: Deadline, **_patience: bool) -> RolesAsked:
        nonlocal asked
        asked += 1
        return RolesAsked(said, 0.0)

    known.ask = ask  # type: ignore[assignment, method-assign]
    known.refresh()
    known.refresh()
    assert asked == 1
    abandoned = Judgement(REFUSED.row, "another endpoint answered first", "abandoned")
    known.note(endpoints[1], "eth_chainId", abandoned, time.monotonic())
    known.refresh()
    assert asked == 1
    known.note(endpoints[0], "eth_chainId", abandoned, time.monotonic())
    known.refresh()
    assert asked == asked_then


class Untouched:
    """A transport that must not be used."""

    def exchange(self, *_arguments: object) -> Any:
        raise AssertionError

    def close(self) -> None:
        raise AssertionError


THREADS = 8


def test_many_threads_ask_once_at_first_and_once_after_an_outage() -> None:
    barrier = threading.Barrier(THREADS)
    answered: list[int] = []

    def work(client: SequencerClient) -> None:
        barrier.wait()
        answered.append(client.request("eth_chainId").endpoint.index)

    def all_at_once(client: SequencerClient) -> None:
        threads = [threading.Thread(target=work, args=(client,)) for _ in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    with Rollup(["op-conductor"] * 3) as rollup, open_client(rollup) as (client, events):
        all_at_once(client)
        assert answered == [1] * THREADS
        assert len(rollup.questions) == 3
        rollup.kill(1)
        rollup.active = 3
        all_at_once(client)
    assert answered[THREADS:] == [3] * THREADS
    assert len(rollup.questions) == 6
    assert roles_in(events) == [["active", "standby", "standby"], ["standby", "standby", "active"]]


def test_waiting_threads_go_on_once_the_answers_have_come() -> None:
    endpoints = parse_endpoints("http://a,http://b")
    known = Roles(endpoints, endpoints, Untouched(), dial_timeout=LONG)
    may_end = threading.Event()

    def ask(_by: Deadline, **_patience: bool) -> RolesAsked:
        assert may_end.wait(LONG)
        return RolesAsked(tuple(EndpointRole(e, "standby") for e in endpoints), 0.0)

    known.ask = ask  # type: ignore[assignment, method-assign]
    threads = [threading.Thread(target=known.refresh) for _ in range(3)]
    for thread in threads:
        thread.start()
    until(lambda: len(known._waiting or ()) == 2)
    began = time.monotonic()
    may_end.set()
    for thread in threads:
        thread.join()
    assert time.monotonic() - began < LONG / 2
    assert known.of(endpoints[0]) == "standby"


def test_an_open_question_does_not_keep_the_process_alive() -> None:
    with Rollup(["op-node"] * 2, active=2) as rollup, Silent() as hung:
        rollup.nodes[0] = hung  # type: ignore[call-overload]
        with open_client(rollup, dial_timeout=LONG) as (client, _):
            assert client.request("eth_chainId").endpoint.index == 2
            asking = [t for t in threading.enumerate() if t.name == "seqsend-roles"]
    assert [thread.daemon for thread in asking] == [True]


def test_a_hung_node_costs_the_dial_timeout_once() -> None:
    with Rollup(["op-node"] * 2, active=None) as rollup, Silent() as hung:
        rollup.nodes[0] = hung  # type: ignore[call-overload]
        rollup.before = lambda _index, _request: http(503, b"")
        with open_client(rollup, dial_timeout=1.0) as (client, events):
            elapsed = []
            for _ in range(3):
                started = time.monotonic()
                with pytest.raises(Exception, match="503"):
                    client.request("eth_chainId")
                elapsed.append(time.monotonic() - started)
    # Two rounds of questions in the first call: before it, and after its first outage.
    assert 1.0 <= elapsed[0] <= 1.0 + GRACE + MARGIN
    assert len(roles_in(events)) == 6
    assert all(seconds <= 2 * GRACE + MARGIN for seconds in elapsed[1:])


def test_a_slow_node_that_always_answers_in_time_keeps_its_whole_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Only a node that missed its time gets less the next time."""
    grace, slow = 0.05, 0.3  # seconds
    monkeypatch.setattr(module, "_GRACE", grace)
    endpoints = parse_endpoints("http://a,http://b")
    known = Roles(endpoints, endpoints, Untouched(), dial_timeout=LONG)

    def ask_one(position: int, _by: Deadline) -> EndpointRole:
        if position == 1:
            time.sleep(slow)
        return EndpointRole(endpoints[position], "active" if position == 1 else "standby")

    monkeypatch.setattr(known, "_ask_one", ask_one)
    for _ in range(2):
        asked = known.ask(Deadline.after(LONG, "dial timeout"))
        assert [each.role for each in asked.roles] == ["standby", "active"]
        assert slow <= asked.elapsed < LONG


def test_a_defect_in_an_asking_thread_is_raised_in_the_waiting_one() -> None:
    endpoints = parse_endpoints("http://a,http://b")
    known = Roles(endpoints, endpoints, Untouched(), dial_timeout=LONG)
    began = time.monotonic()
    with pytest.raises(AssertionError):
        known.ask(Deadline.after(LONG, "dial timeout"))
    assert time.monotonic() - began < LONG / 2


def test_a_hung_node_beside_an_active_one_costs_less_than_the_dial_timeout() -> None:
    with Rollup(["op-node"] * 2, active=2) as rollup, Silent() as hung:
        rollup.nodes[0] = hung  # type: ignore[call-overload]
        run = _send(*rollup.arguments)
    assert [index for _, index, _ in rollup.landed] == [2]
    assert run.code == 0
    assert run.elapsed < 4.5  # less than the 5 s dial timeout, even on a busy machine


def test_questions_leave_half_of_the_deadline_to_the_call() -> None:
    with Rollup(["op-node"], active=None) as rollup, Silent() as hung:
        rollup.nodes[0] = hung  # type: ignore[call-overload]
        with open_client(rollup, deadline=0.6) as (client, events):
            started = time.monotonic()
            assert client.send_raw_transaction(SIGNED.raw).status == "accepted"
            elapsed = time.monotonic() - started
    assert roles_in(events) == [["unhealthy"]]
    assert 0.25 <= elapsed <= 0.6 + MARGIN


def test_neither_threads_nor_descriptors_are_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    with Rollup(["op-node"] * 2, active=2) as rollup:
        refused: list[str] = []

        def refuse(_job: object, name: str) -> None:
            refused.append(name)
            raise RuntimeError("can't start new thread")

        monkeypatch.setattr(threads, "start", refuse)
        with open_client(rollup) as (client, events):
            assert client.request("eth_chainId").endpoint.index == 2
        monkeypatch.setattr(waiting, "socket_pair", _no_descriptors)
        with open_client(rollup) as (client, _):
            assert client.request("eth_chainId").endpoint.index == 1
            assert client._roles is not None
            reasons = {role.reason for role in client._roles.ask_all().roles}
    assert reasons == {"not asked: too many open files on this machine"}
    assert roles_in(events) == [["standby", "active"]]
    assert refused == ["seqsend-roles"] * 2


def _no_descriptors() -> Any:
    raise OSError(24, "Too many open files")


def test_questions_do_not_count_as_calls_and_carry_no_secrets_of_endpoints(
    tmp_path: Path,
) -> None:
    metrics = tmp_path / "m.prom"
    with Rollup(["op-node"] * 2, active=2) as rollup:
        echo = Replying(lambda r: jsonrpc_error(r, -32000, f"{r.path} {r.headers}"))
        with echo:
            urls = ",".join(
                f"http://user:s3cr3tpw@{s.url[7:]}/k3yk3yk3yk3yk3yk3y" for s in rollup.sequencers
            )
            nodes = ",".join(
                f"http://op:0pp4ssw0rd@{url[7:]}/n0d3n0d3n0d3n0d3n0d3?apikey=qu3ry53cr3t"
                for url in (echo.url, rollup.nodes[1].url)
            )
            runs = [
                _send(
                    f"--rollup.sequencer-http={urls}",
                    f"--rollup-rpc={nodes}",
                    "--rollup.sequencer-headers=X-Key=h34d3rv4lu3",
                    f"--metrics-file={metrics}",
                    *more,
                )
                for more in (["-v"], ["--json"])
            ]
    asked = [*echo.requests, *rollup.nodes[1].requests]
    assert asked
    for request in asked:
        assert request.headers["X-Key"] is None
        assert request.headers["Authorization"] == "Basic b3A6MHBwNHNzdzByZA=="  # its own
    shown = "".join(run.out + run.err for run in runs)
    assert "endpoint 1 unhealthy" in shown
    for secret in ("0pp4ssw0rd", "b3A6MHBw", "n0d3n0d3", "qu3ry53cr3t", "h34d3rv4lu3", "s3cr3tpw"):
        assert secret not in shown
    counted = metrics.read_text()
    assert "seqsend_calls_total 2.0" in counted
    assert 'seqsend_attempts_total{endpoint="1"' not in counted
    assert [run.document["attempts"][0]["endpoint"]["index"] for run in runs[1:]] == [2]


def test_an_observer_sees_attempts_calls_and_roles_but_no_questions() -> None:
    with Rollup(["op-node"] * 2) as rollup, open_client(rollup) as (client, events):
        client.request("eth_chainId")
    assert [type(event) for event in events] == [RolesAsked, Attempt, CallEnded]


@pytest.mark.parametrize(
    ("nodes", "problem"),
    [
        ("", "--rollup-rpc: no URL given"),
        (" , ", "--rollup-rpc: no URL given"),
        ("http://n1", "--rollup-rpc: 1 URL for 2 endpoints: give one op-node or op-conductor"),
        ("http://n1,http://n2,http://n3", "--rollup-rpc: 3 URLs for 2 endpoints"),
        ("http://n1,http://n1", "--rollup-rpc: endpoint 2 'http://n1' repeats endpoint 1"),
        ("http://n1,ftp://u:s3cret@n2", "--rollup-rpc: endpoint 2 'ftp://***@n2': scheme must be"),
        ("ws://u:s3cret@n1", "--rollup-rpc: endpoint 1 'ws://***@n1': scheme must be http or"),
        ("http://n1,wss://n2", "--rollup-rpc: endpoint 2 'wss://n2': "),
    ],
)
def test_an_invalid_list_of_op_nodes_is_refused(nodes: str, problem: str) -> None:
    run = _send("--rollup.sequencer-http=http://a,http://b", f"--rollup-rpc={nodes}")
    assert run.code == 2
    assert problem in run.err
    assert "; example: " in run.err
    assert "s3cret" not in run.err


def test_the_library_refuses_an_invalid_list_of_op_nodes_too() -> None:
    with pytest.raises(UsageError, match="--rollup-rpc: no URL given"):
        SequencerClient("http://a", rollup_rpc="")
    with pytest.raises(UsageError, match="2 URLs for 1 endpoint:"):
        SequencerClient("http://a", rollup_rpc=["http://n1", "http://n2"])


def _interrupted(rollup: Rollup, waits: Callable[[], object]) -> dict[str, Any]:
    """Run a send until ``waits()`` holds, interrupt it, and return its document."""
    process = start("send", SIGNED.raw, *rollup.arguments, "--json")
    until(waits)
    until(lambda: is_asleep(process))
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=10)
    assert time.monotonic() - began < 2.0  # less than the 5 s dial timeout
    assert process.returncode == 130
    found: dict[str, Any] = json.loads(out)
    return found


def test_a_signal_during_the_first_questions_ends_the_call() -> None:
    with Rollup(["op-node"] * 2) as rollup, Silent() as one, Silent() as two:
        rollup.nodes[:] = [one, two]  # type: ignore[list-item]
        found = _interrupted(rollup, lambda: one.requests and two.requests)
    assert (found["status"], found["attempts"]) == ("interrupted", [])
    assert "nothing was delivered" in found["error"]["message"]
    assert rollup.landed == []


def test_a_signal_during_later_questions_keeps_the_attempts_made() -> None:
    hung = threading.Event()
    silent = threading.Event()

    def node(request: Request) -> bytes:
        if hung.is_set():
            silent.wait(10)
        return jsonrpc_result(request, True)

    with ExitStack() as stack:
        stack.callback(silent.set)
        rollup = stack.enter_context(Rollup(["op-node"] * 2))
        rollup.nodes[0] = stack.enter_context(Replying(node))

        def lose(_index: int, _request: Request) -> bytes:
            hung.set()
            return http(503, b"")  # it may have been passed on

        rollup.before = lose
        found = _interrupted(rollup, lambda: len(rollup.nodes[0].requests) == 2)
    assert found["status"] == "interrupted"
    assert "may have been delivered" in found["error"]["message"]
    (attempt,) = found["attempts"]
    assert (attempt["endpoint"]["index"], attempt["delivered"]) == (1, "unknown")
    assert attempt["http_status"] == 503


NUMBER = 2_000
HAND_OVER = 1_000  # the transaction at which the active sequencer changes


@pytest.mark.parametrize("way", ["dies before", "dies after", "steps down"])
def test_each_of_2000_transactions_lands_at_the_sequencer_active_at_the_time(way: str) -> None:
    random = Random(1)
    transactions = [make_transaction(random, 1, nonce) for nonce in range(NUMBER)]
    seen = 0
    with Rollup(["op-conductor", "op-node", "op-node"]) as rollup:

        def hand_over(index: int, request: Request) -> bytes | None:
            nonlocal seen
            seen += request.json["method"] == "eth_sendRawTransaction"
            if seen == HAND_OVER and rollup.active == 1:
                rollup.active = 3
                if way != "steps down":
                    threading.Thread(target=rollup.kill, args=(1,)).start()
                if way == "dies after":  # it took the transaction, and the answer is lost
                    rollup.landed.append((transactions[HAND_OVER - 1].hash, 1, 1))
            if index == 1 and rollup.active != 1:
                if way == "steps down":
                    return jsonrpc_error(request, -32000, NOT_LEADER)
                raise ConnectionError
            return None

        rollup.before = hand_over
        lines = "\n".join(transaction.raw for transaction in transactions)
        run = seqsend("send", "-", *rollup.arguments, stdin=lines, timeout=120)
    assert run.code == 0, run.err
    assert run.out.split() == [transaction.hash for transaction in transactions]
    assert all(index == active for _, index, active in rollup.landed)
    assert {index for _, index, _ in rollup.landed} == {1, 3}
    landed = [known for known, _, _ in rollup.landed]
    assert list(dict.fromkeys(landed)) == [transaction.hash for transaction in transactions]
    assert len(rollup.nodes[0].requests) == 2  # the roles were asked for twice
    assert "standby" not in run.err


def test_if_everything_is_down_it_is_unreachable_as_without_roles() -> None:
    with dead() as one, dead() as two, dead() as node, dead() as other:
        urls, nodes = f"{one.url},{two.url}", f"{node.url},{other.url}"
        with (
            SequencerClient(urls, rollup_rpc=nodes) as client,
            pytest.raises(Unreachable) as caught,
        ):
            client.send_raw_transaction(SIGNED.raw)
    assert [attempt.endpoint.index for attempt in caught.value.attempts] == [1, 2]
