"""Pages of web servers in the encodings they declare."""

import subprocess
import sys

import pytest

from seqsend import CallError, SequencerClient
from seqsend.transports.pages import in_utf8
from tests.support.servers import Replying, http, jsonrpc_result

CALL = """
import sys
from seqsend import SequencerClient
with SequencerClient(sys.argv[1]) as client:
    client.request("eth_chainId")
sys.exit("requests" in sys.modules)
"""
PAGE = "<html><head><title>{}</title></head></html>"


@pytest.mark.parametrize(
    ("title", "encoding", "content_type"),
    [
        ("Ошибка шлюза", "windows-1251", "text/html; charset=windows-1251"),
        ("ゲートウェイエラー", "shift_jis", 'text/html;charset="Shift_JIS"'),
        ("게이트웨이 오류", "euc-kr", "TEXT/HTML; Charset=EUC-KR"),
        ("Passerelle défectueuse", "latin-1", "text/html; charset=ISO-8859-1"),
        ("服务不可用", "gbk", "text/plain; charset=GBK"),
    ],
)
def test_a_page_is_read_in_its_declared_encoding(
    title: str, encoding: str, content_type: str
) -> None:
    page = PAGE.format(title)
    assert in_utf8(page.encode(encoding), content_type).decode() == page


LATIN = PAGE.format("défectueuse").encode("latin-1")


@pytest.mark.parametrize(
    ("page", "content_type"),
    [
        (LATIN, None),
        (LATIN, "text/html"),
        (LATIN, "text/html; charset=utf-8x"),
        (LATIN, "text/html; charset=idna"),
        (LATIN, "text/html; charset=undefined"),
        (LATIN, "text/html; charset=hex"),
        (LATIN, "text/html; charset="),
        (LATIN, "application/json; charset=latin-1"),
        (b"\xff" * (64 * 1024 + 1), "text/html; charset=latin-1"),
        (PAGE.format("défectueuse").encode(), "text/html; charset=latin-1"),
        (b"", "text/html; charset=latin-1"),
    ],
)
def test_other_bodies_are_left_as_they_are(page: bytes, content_type: str | None) -> None:
    found = in_utf8(page, content_type)
    # With an unknown encoding it is read as UTF-8, with a mark for each invalid byte.
    assert found == page or found == page.decode(errors="replace").encode()


def test_the_title_of_a_page_is_the_reason_of_the_attempt() -> None:
    page = PAGE.format("Ошибка шлюза").encode("windows-1251")
    said = http(502, page, {"Content-Type": "text/html; charset=windows-1251"})
    with (
        Replying(lambda _: said) as server,
        SequencerClient(server.url) as client,
        pytest.raises(CallError) as caught,
    ):
        client.request("eth_chainId")
    assert "Ошибка шлюза" in (caught.value.attempts[0].reason or "")


def test_a_call_that_succeeds_does_not_load_requests() -> None:
    with Replying(lambda request: jsonrpc_result(request, "0x1")) as server:
        done = subprocess.run([sys.executable, "-c", CALL, server.url], check=False)
    assert done.returncode == 0
