"""Files and stdin as a stream of lines, whatever they hold and however they fail."""

import copy
import json
import os
import pickle
import signal
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqsend import waiting
from seqsend.cli.line_reader import LineReader
from seqsend.cli.sources import find_source
from seqsend.errors import InputError, UsageError
from seqsend.sending.stream import Line, ReadAhead
from seqsend.sending.transaction import LONGEST_TEXT, MAX_SIZE, parse_raw_transaction
from tests.support.cli import seqsend

TX = "0x02c0"


@contextmanager
def reader_of(data: bytes) -> Iterator[LineReader]:
    reading, writing = os.pipe()

    def write() -> None:
        with os.fdopen(writing, "wb") as pipe, suppress(BrokenPipeError):
            pipe.write(data)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield LineReader(reading, "stdin")
    finally:
        os.close(reading)
        writer.join()


def lines_of(data: bytes) -> list[tuple[int, str]]:
    with reader_of(data) as reader:
        found = [(line.number, line.text) for line in reader]
        assert reader.count == len(found)
        assert reader.position == len(data)
    return found


def test_lines_read_ahead_are_upcoming_until_they_are_taken(tmp_path: Path) -> None:
    file = tmp_path / "lines"
    file.write_bytes(b"0x1\n\n0x2\n0x3\n")
    with file.open("rb") as opened:
        reader = LineReader(opened.fileno(), "lines")
        assert isinstance(reader, ReadAhead)
        assert not reader.upcoming
        assert next(reader) == Line(1, "0x1")
        assert list(reader.upcoming) == [Line(3, "0x2"), Line(4, "0x3")]
        assert next(reader) == Line(3, "0x2")
        assert list(reader.upcoming) == [Line(4, "0x3")]


def test_blank_lines_and_comments_are_skipped_and_counted() -> None:
    assert lines_of(b"# a\n\n 0x1 \r\n\t\n0x2\n  # b\n\n0x3") == [
        (3, "0x1"),
        (5, "0x2"),
        (8, "0x3"),
    ]
    assert lines_of(b"") == []
    assert lines_of(b"\xff\n") == [(1, "\ufffd")]


# Other tests cover UTF-16, byte order marks and arrays.
_ORDINARY = st.binary(max_size=9).map(lambda data: b"x" + data.replace(b"\n", b""))


@given(st.lists(_ORDINARY | st.sampled_from([b"", b" ", b"# a", b"\r"]), max_size=9))
def test_any_bytes_are_read_as_lines(parts: list[bytes]) -> None:
    data = b"\n".join([b"0x1234", *parts])
    expected = [
        (i, text.strip().decode(errors="replace"))
        for i, text in enumerate(data.split(b"\n"), start=1)
        if text.strip() and not text.strip().startswith(b"#")
    ]
    assert lines_of(data) == expected


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_windows_files_are_accepted(mark: bytes, end: str) -> None:
    text = mark + f"0x1{end}{end}0x2{end}".encode()
    assert lines_of(text) == [(1, "0x1"), (3, "0x2")]
    # It is a byte order mark only at the very start.
    assert lines_of(b"0x1\n\xef\xbb\xbf0x2") == [(1, "0x1"), (2, "\ufeff0x2")]


@pytest.mark.parametrize(
    ("codec", "mark", "name"),
    [
        ("utf-16-le", "", "UTF-16"),
        ("utf-16-be", "", "UTF-16"),
        ("utf-16-le", "\ufeff", "UTF-16"),
        ("utf-16-be", "\ufeff", "UTF-16"),
        ("utf-32-le", "\ufeff", "UTF-32"),
        ("utf-32-be", "\ufeff", "UTF-32"),
    ],
)
def test_utf_16_and_utf_32_are_named_in_the_error(codec: str, mark: str, name: str) -> None:
    text = f"{mark}{TX}\r\n"
    with (
        reader_of(text.encode(codec)) as reader,
        pytest.raises(UsageError, match=f"stdin is {name} text: convert it to UTF-8 .`iconv -f"),
    ):
        next(reader)


def test_a_byte_order_mark_that_arrives_byte_by_byte_is_recognised(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    unread = [b"\xef", b"\xbb", b"\xbf", b"0", b"x", b"1", b"\n"]
    reading, writing = os.pipe()
    monkeypatch.setattr(
        "seqsend.waiting.wait", lambda *_: bool(os.write(writing, unread.pop(0) if unread else b""))
    )
    reader = LineReader(reading, "stdin")
    reader.patience = 0.0
    assert next(reader).text == "0x1"
    os.close(reading)
    os.close(writing)


@pytest.mark.parametrize(
    "text",
    [json.dumps([TX, TX]), json.dumps([TX], indent=2), "[]", f"# signed today\n\n [ {TX}"],
)
def test_a_json_array_is_named_in_the_error(text: str) -> None:
    with (
        reader_of(text.encode()) as reader,
        pytest.raises(UsageError, match="stdin is a JSON array: give one transaction per line"),
    ):
        next(reader)


@pytest.mark.parametrize("text", [b"a", b" ", b"#", b"\0"])
def test_a_line_that_is_too_long_is_cut_and_the_next_is_read(text: bytes) -> None:
    found = lines_of(b"0x1\n" + text * 9_000_000 + b"\n0x2\n" + text * LONGEST_TEXT + b"x")
    assert [number for number, _ in found] == [1, 2, 3, 4]
    assert found[2][1] == "0x2"
    for _, line in (found[1], found[3]):
        assert len(line) == LONGEST_TEXT + 1
        with pytest.raises(UsageError, match="is too long"):
            parse_raw_transaction(line)


@pytest.mark.parametrize("more", [-1, 0, 1, 2, 65536])
@pytest.mark.parametrize("end", [b"", b"\n"])
def test_a_line_one_byte_over_the_limit_is_too_long(more: int, end: bytes, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b" " * (LONGEST_TEXT + more) + end)
    with (tmp_path / "f").open("rb") as file:
        found = [line.text for line in LineReader(file.fileno(), "f")]
    assert found == [" " * (LONGEST_TEXT + 1)] * (more > 0)


def test_a_line_with_many_leading_blanks_is_not_dropped() -> None:
    data = b" " * (3 * MAX_SIZE) + TX.encode() + b"\n0x2\n"
    assert [number for number, _ in lines_of(data)] == [1, 2]
    assert lines_of(b" " * MAX_SIZE + TX.encode()) == [(1, TX)]


def test_an_endless_line_is_an_input_error() -> None:
    with Path("/dev/zero").open("rb") as zero:
        reader = LineReader(zero.fileno(), "--file /dev/zero")
        assert len(next(reader).text) == LONGEST_TEXT + 1
        with pytest.raises(InputError, match="--file /dev/zero could not be read: a line of more"):
            next(reader)
        assert list(reader) == []
        assert reader.position < 70 * 2**20


def test_a_directory_and_a_write_only_descriptor_are_reported(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"--file: {tmp_path}: is a directory"):
        find_source([], str(tmp_path))
    reading, writing = os.pipe()
    directory = os.open(tmp_path, os.O_RDONLY)
    for descriptor, words in ((directory, "Is a directory"), (writing, "Bad file descriptor")):
        reader = LineReader(descriptor, "stdin")
        with pytest.raises(InputError) as caught:
            next(reader)
        assert str(caught.value) == f"stdin could not be read: {words}"
        assert list(reader) == []
    for descriptor in (reading, writing, directory):
        os.close(descriptor)


def test_lines_read_before_a_failed_read_are_not_lost() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        sender = socket.create_connection(server.getsockname())
        receiver, _ = server.accept()
        with receiver:
            reader = LineReader(receiver.fileno(), "stdin")
            sender.sendall(b"0x1\n0x2\n0x3")
            assert next(reader).text == "0x1"
            sender.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            sender.close()  # with a reset
            assert next(reader).text == "0x2"
            with pytest.raises(InputError) as caught:
                next(reader)
            assert (caught.value.name, caught.value.reason) == (
                "stdin",
                "Connection reset by peer (in line 3)",
            )
            assert reader.count == 2
            assert list(reader) == []


def test_an_input_error_can_be_pickled_and_copied() -> None:
    error = InputError("stdin", "Input/output error")
    for other in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert (str(other), other.name) == (str(error), "stdin")


def test_a_signal_ends_the_wait_and_loses_no_line() -> None:
    reading, writing = os.pipe()
    reader = LineReader(reading, "stdin")
    with waiting.Signals() as signals:
        os.write(writing, b"0x1\n0x2\n0x")
        assert next(reader).text == "0x1"
        os.kill(os.getpid(), signal.SIGTERM)
        assert next(reader).text == "0x2"  # already read
        for _ in range(2):
            with pytest.raises(waiting.SignalReceived):
                next(reader)
        signals.acknowledge()
        os.write(writing, b"3\n0x4")
        os.close(writing)
        assert [line.text for line in reader] == ["0x3", "0x4"]
    os.close(reading)


def test_an_input_that_stays_open_ends_when_patience_runs_out() -> None:
    reading, writing = os.pipe()
    os.write(writing, b"0x1\n0x2")
    reader = LineReader(reading, "stdin")
    reader.patience = 0.05
    assert [line.text for line in reader] == ["0x1", "0x2"]
    os.close(reading)
    os.close(writing)


def test_a_non_blocking_descriptor_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    ready = [True, True, False]
    monkeypatch.setattr("seqsend.waiting.wait", lambda *_: ready.pop(0))
    reader = LineReader(reading, "stdin")
    reader.patience = 0.0
    assert list(reader) == []
    assert ready == []
    os.close(reading)
    os.close(writing)


def test_transactions_come_from_arguments_and_combinations_are_refused() -> None:
    words = find_source(["0x1", "0x2"], None)
    lines = words.open()
    assert (lines.count, words.size) == (0, 2)
    assert [(line.number, line.text) for line in lines] == [(1, "0x1"), (2, "0x2")]
    assert lines.count == 2
    for wrong_words, file, message in (
        (["-", "0x1"], None, "- means stdin and must be the only argument"),
        (["0x1"], "f", "--file and RAWTX cannot be combined"),
        ([], "", "--file: the path is empty"),
        ([], "/nope", "--file: /nope: no such file"),
        ([], None, "no transaction given"),
    ):
        with pytest.raises(UsageError, match=message):
            find_source(wrong_words, file)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (f"{TX}\n".encode("utf-16"), "is UTF-16 text"),
        (json.dumps([TX]).encode(), "is a JSON array"),
    ],
)
def test_the_program_names_what_it_cannot_read(data: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(data)
    at = "--rollup.sequencer-http=http://127.0.0.1:1"
    for words, stdin in ((["--file", "f"], b""), (["-"], data)):
        run = seqsend("send", *words, at, stdin=stdin, directory=tmp_path)
        assert (run.code, run.out) == (2, "")
        assert message in run.err
