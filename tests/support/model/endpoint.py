"""An endpoint in front of the fake chain: a small HTTP server that behaves at random."""

import json
import re
import socket
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from random import Random
from typing import Any, Self

from tests.support.model.chain import Chain, Record, Treatment
from tests.support.model.reactions import (
    FOUND,
    FOUND_IN_CAPITALS,
    ITEMS,
    LOOK_UP_ITEMS,
    NONCE_SPENT,
    NOT_THERE,
    ODD_ENVELOPES,
    OTHER_RESULTS,
    SEND_ITEMS,
    SHORTENED,
    TAKES,
    WHOLE,
    LookUpItem,
    Profile,
    Refusal,
    SendItem,
    Taking,
    Whole,
    draw,
    fill,
)
from tests.support.model.transactions import keccak_of

_PATIENCE = 20.0  # seconds after which an endpoint gives up on a silent client
_RST = struct.pack("ii", 1, 0)  # SO_LINGER with no time: close() sends RST and not FIN
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_VERDICT_STATUSES = (400, 409, 422)


@dataclass(frozen=True, slots=True)
class Character:
    """The traits of an endpoint, drawn once at the start of a scenario."""

    profile: Profile
    batch_limit: int | None = None
    refusal: Refusal | None = None
    shortens_to: int | None = None
    """Maximum number of answers to a batch."""
    shuffles: bool = False
    """Whether it answers a batch in random order."""
    repeats: bool = False
    """Whether its answer to a batch repeats one item and adds one for an unknown id."""
    delay: float = 0.0
    """Seconds before it answers."""
    closes: bool = False
    """Whether it closes after each answer without announcing it."""
    dies_after: int | None = None
    """Number of requests after which it stops listening."""
    dead_for: float | None = None
    """Seconds until it listens again; None for never."""


class Endpoint:
    """Listens on loopback; a context manager."""

    def __init__(self, index: int, chain: Chain, character: Character, random: Random) -> None:
        self.index = index
        self._chain = chain
        self._character = character
        self._random = random
        self._lock = threading.Lock()
        self._closing = threading.Lock()
        self._stopped = threading.Event()
        self._threads: list[threading.Thread] = []
        self._open: set[socket.socket] = set()
        self._late: list[tuple[Record, str]] = []
        self._requests = 0
        # Bound but never listening: keeps the port reserved while nothing listens on it.
        self._holder = socket.socket()
        self._holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._holder.bind(("127.0.0.1", 0))
        self.port: int = self._holder.getsockname()[1]
        self._listening: socket.socket | None = None

    @property
    def url(self) -> str:
        """The address as an endpoint URL."""
        return f"http://127.0.0.1:{self.port}"

    # ---- Sockets ----

    def _listen(self) -> None:
        listening = socket.socket()
        self._listening = listening  # stored first, so that it is closed even if listening fails
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(("127.0.0.1", self.port))
        listening.listen(64)
        self._start(self._accept, listening)

    def _start(self, function: Callable[..., None], *arguments: Any) -> None:
        thread = threading.Thread(target=function, args=arguments, daemon=True)
        thread.start()
        self._threads.append(thread)

    def _accept(self, listening: socket.socket) -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.settimeout(_PATIENCE)
            self._open.add(connection)
            self._start(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError):
            while (body := self._read(connection)) is not None:
                if not self._respond(connection, json.loads(body)):
                    break
        connection.close()
        self._open.discard(connection)

    def _read(self, connection: socket.socket) -> bytes | None:
        """Return the body of a request, or None if the client closes before the end of one."""
        data = b""
        while b"\r\n\r\n" not in data:
            more = connection.recv(65536)
            if not more:
                return None
            data += more
        head, _, body = data.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        while length is not None and len(body) < int(length.group(1)):
            more = connection.recv(65536)
            if not more:
                return None
            body += more
        return body

    def _die(self) -> None:
        self._close_listening()
        for connection in list(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        if self._character.dead_for is not None:
            self._start(self._come_back, self._character.dead_for)

    def _come_back(self, seconds: float) -> None:
        if not self._stopped.wait(seconds):
            with suppress(OSError):
                self._listen()

    def _close_listening(self) -> None:
        with self._closing:  # it may die during the stop
            listening, self._listening = self._listening, None
        if listening is not None:
            with suppress(OSError):
                listening.shutdown(socket.SHUT_RDWR)
            listening.close()

    def __enter__(self) -> Self:
        self._listen()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._stopped.set()
        # In a loop, because it may come back or accept another connection meanwhile.
        while self._threads:
            self._close_listening()
            for connection in list(self._open):
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            self._threads.pop().join(1)
        self._holder.close()

    # ---- Requests ----

    def _respond(self, connection: socket.socket, asked: Any) -> bool:
        """Treat one request; return whether the connection stays open."""
        calls: list[dict[str, Any]] = asked if isinstance(asked, list) else [asked]
        batch = isinstance(asked, list)
        with self._lock:  # keeps the draws of one request together
            self._requests += 1
            plan = _Plan(self._random, self._character, self._chain, calls, batch=batch)
            whole = plan.whole
            if whole.how != "before":
                record = self._chain.note(
                    self.index,
                    calls[0]["method"],
                    sends=plan.sends,
                    look_ups=plan.look_ups,
                    batch=batch,
                )
                answer = plan.carry_out(record)
        if whole.how == "before":
            _reset(connection)
            return False
        stays = self._answer(connection, whole, record, answer)
        for late in plan.late:
            if not self._chain.has(late) and self._chain.take(late):
                record.taken.add(late)
        if self._requests == self._character.dies_after:
            self._die()
            return False
        return stays

    def _answer(
        self, connection: socket.socket, whole: Whole, record: Record, answer: "_Reply"
    ) -> bool:
        if self._character.delay:
            self._stopped.wait(self._character.delay)
        if whole.how == "silence":
            self._wait_for_the_client_to_go(connection)
            return False
        if whole.how == "close":
            return False
        if whole.how == "reset":
            _reset(connection)
            return False
        raw = answer.encode()
        if whole.how == "cut":
            connection.sendall(raw[: -1 - len(answer.body) // 2])
            return False
        record.status = answer.status
        connection.sendall(raw)
        self._chain.answered(record, answer.status)
        return not self._character.closes

    def _wait_for_the_client_to_go(self, connection: socket.socket) -> None:
        until = time.monotonic() + _PATIENCE
        while not self._stopped.is_set() and time.monotonic() < until:
            if not connection.recv(65536):
                return


def _reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RST)
    connection.close()


@dataclass(frozen=True, slots=True)
class _Reply:
    """An HTTP answer."""

    status: int
    body: bytes
    chunked: bool = False
    early_hints: bool = False

    def encode(self) -> bytes:
        head = f"HTTP/1.1 {self.status} X\r\nContent-Type: application/json\r\n"
        if self.status == 307:
            head += "Location: http://127.0.0.1:9/elsewhere\r\n"
        before = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" if self.early_hints else b""
        if not self.chunked:
            return before + f"{head}Content-Length: {len(self.body)}\r\n\r\n".encode() + self.body
        half = len(self.body) // 2
        parts = [part for part in (self.body[:half], self.body[half:]) if part]
        chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts)
        return before + f"{head}Transfer-Encoding: chunked\r\n\r\n".encode() + chunks + b"0\r\n\r\n"


class _Plan:
    """How one request is treated: drawn first, then carried out."""

    def __init__(
        self,
        random: Random,
        character: Character,
        chain: Chain,
        calls: list[dict[str, Any]],
        *,
        batch: bool,
    ) -> None:
        self._random, self._character, self._chain = random, character, chain
        self._calls, self._batch = calls, batch
        self._hashes = [_hash_in(call) for call in calls]
        is_send = [_is_send(call) for call in calls]
        pairs = list(zip(self._hashes, is_send, strict=True))
        self.sends = tuple(h for h, sent in pairs if h and sent)
        self.look_ups = tuple(h for h, sent in pairs if h and not sent)
        self.late: list[str] = []
        limit = character.batch_limit
        self._refused = batch and limit is not None and len(calls) > limit
        self.whole = ITEMS if self._refused else self._draw_whole()

    def _draw_whole(self) -> Whole:
        profile = self._character.profile
        share = profile.whole * (profile.look_up if self.look_ups else 1)
        if self._random.random() >= share:
            return ITEMS
        if profile.only is not None:
            return next(line for line in WHOLE if line.name == profile.only)
        return draw(self._random, WHOLE)

    def carry_out(self, record: Record) -> _Reply:
        """Take transactions, complete the log, and return the answer."""
        if self._refused:
            return self._refuse(record)
        record.reaction = self.whole.name
        if self.whole.how == "items":
            return self._answer_items(record)
        taking: Taking = self._random.choice(self.whole.may_take)
        treatment = self.whole.treatment()
        if self._batch and self.whole.error is not None:
            # An error for the whole batch leaves several verdicts open. The rule still holds that
            # no transaction that was taken is reported as not delivered.
            treatment = replace(treatment, delivered=None)
        for each in self.sends:
            record.treatments[each] = treatment
            if taking == "late":
                self.late.append(each)
            elif taking == "some" and (not self._batch or self._random.random() < 0.6):
                self._take(record, each)
        for each in self.look_ups:
            record.treatments[each] = Treatment(self.whole.name, "nothing", None)
        if self.whole.how == "cut":
            items = [call | {"jsonrpc": "2.0", "result": "0x" + "00" * 32} for call in self._calls]
            return _Reply(200, json.dumps(items).encode())
        return _Reply(self.whole.status, self.whole.body)

    def _refuse(self, record: Record) -> _Reply:
        refusal = self._character.refusal
        assert refusal is not None
        record.reaction = f"refuses the batch ({refusal.name})"
        for each in (*self.sends, *self.look_ups):
            record.treatments[each] = Treatment(record.reaction, "nothing", refusal.delivered)
        return _Reply(refusal.status, refusal.body)

    def _take(self, record: Record, transaction_hash: str) -> bool:
        had = self._chain.has(transaction_hash)
        taken = self._chain.take(transaction_hash)
        if taken and not had:
            record.taken.add(transaction_hash)
        return taken

    def _answer_items(self, record: Record) -> _Reply:
        shown = self._character.shortens_to if self._batch else None
        answers = []
        for position, (call, about) in enumerate(zip(self._calls, self._hashes, strict=True)):
            members, treatment = self._treat(record, call, about)
            if shown is not None and position >= shown:
                members, treatment = None, SHORTENED
            if about:
                record.treatments[about] = treatment
            if members is not None:
                answers.append({"jsonrpc": "2.0", "id": call["id"]} | members)
        return self._envelop(record, answers)

    def _treat(
        self, record: Record, call: dict[str, Any], about: str | None
    ) -> tuple[dict[str, Any] | None, Treatment]:
        if about is None:
            result = {"result": OTHER_RESULTS.get(call["method"])}
            return result, Treatment("answers", "nothing", None)
        item = self._send_item(record, about) if _is_send(call) else self._look_up_item(about)
        filled = None if item.members is None else fill(item.members, about)
        return filled, item.treatment()

    def _send_item(self, record: Record, about: str) -> SendItem:
        has = self._chain.has(about)
        item = TAKES
        if self._random.random() < self._character.profile.item:
            item = draw(self._random, SEND_ITEMS)
        elif has and self._random.random() < 0.7:
            item = draw(self._random, [line for line in SEND_ITEMS if line.landed])
        if has and item.final:
            item = TAKES
        if not item.takes or self._take(record, about):
            return item
        return NONCE_SPENT

    def _look_up_item(self, about: str) -> LookUpItem:
        if self._random.random() < self._character.profile.look_up:
            return draw(self._random, LOOK_UP_ITEMS)
        if not self._chain.has(about):
            return NOT_THERE
        return FOUND_IN_CAPITALS if self._random.random() < 0.1 else FOUND

    def _envelop(self, record: Record, answers: list[dict[str, Any]]) -> _Reply:
        chunked = self._random.random() < 0.1
        hints = self._random.random() < 0.02
        if not self._batch:
            if not answers:  # an answer, but not to this request
                return _Reply(200, b'{"jsonrpc":"2.0","id":null}', chunked)
            status = self._odd_envelope(answers[0])
            return _Reply(status, json.dumps(answers[0]).encode(), chunked, hints)
        if self._character.repeats and answers:
            twice = self._random.choice(answers)
            self._leave_open(record, twice)
            answers = [*answers, dict(twice), {"jsonrpc": "2.0", "id": 10**9, "result": "0x"}]
        if self._character.shuffles:
            self._random.shuffle(answers)
        return _Reply(200, json.dumps(answers).encode(), chunked, hints)

    def _leave_open(self, record: Record, twice: dict[str, Any]) -> None:
        """Allow any verdict on an item that is answered twice."""
        calls = zip(self._calls, self._hashes, strict=True)
        about = next((h for call, h in calls if call["id"] == twice["id"]), None)
        if about is not None:
            record.treatments[about] = replace(record.treatments[about], delivered=None)

    def _odd_envelope(self, answer: dict[str, Any]) -> int:
        """Sometimes change the envelope of a single answer; return its HTTP status."""
        chance = self._random.random()
        if chance >= 0.1 * (self._character.profile.item > 0):
            return 200
        if isinstance(answer.get("error"), dict):
            return self._random.choice(_VERDICT_STATUSES)
        if isinstance(answer.get("result"), str) and answer["result"] in self.sends:
            odd = self._random.choice(ODD_ENVELOPES)
            if odd == "no version":
                del answer["jsonrpc"]
            elif odd == "id as text":
                answer["id"] = str(answer["id"])
            elif odd == "no id":
                del answer["id"]
            else:
                answer["result"] = "0x" + answer["result"][2:].upper()
        return 200


def _is_send(call: dict[str, Any]) -> bool:
    return str(call["method"]).startswith("eth_sendRawTransaction")


def _hash_in(call: dict[str, Any]) -> str | None:
    """Return the hash of the transaction that ``call`` is about, or None."""
    if _is_send(call):
        return keccak_of(call["params"][0])
    if call["method"] == "eth_getTransactionByHash":
        return str(call["params"][0])
    return None
