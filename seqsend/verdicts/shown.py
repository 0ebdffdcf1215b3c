"""What a failing server said, in one line, whatever its shape. Pure.

The line is cut between words, never inside one: the caller removes our secrets from it, and would
not find half of one.
"""

import json
import re
from typing import Any

from seqsend.jsonrpc import parse_json
from seqsend.models import JsonRpcError

LONGEST_SHOWN = 200
"""Characters of a server's words."""

_LOOKED_AT = 64 * 1024  # bytes of a body; pages have their title near their beginning
# What is never closed extends to the end: else each of thousands would search the rest.
_TITLE = r"(?i)<title[^<>]*>([^<]+)"
_NOT_TEXT = r"(?is)<(script|style)\b.*?(?:</\1>|\Z)|<!--.*?(?:-->|\Z)"
_TAG = r"<[^>]*>?"
_SAYING = ("message", "msg", "reason", "detail", "details", "error_description", "title", "error")
"""Members in which servers put their words; the first one present is used."""


def shorten(text: str) -> str:
    """Return ``text`` as one line of at most 200 characters; what is left out becomes ``…``."""
    words = text[: 40 * LONGEST_SHOWN].split()
    line = " ".join(words)
    if len(line) <= LONGEST_SHOWN:
        return line
    return f"{line[:LONGEST_SHOWN].rpartition(' ')[0]} …".lstrip()


def describe_error(error: JsonRpcError) -> str:
    """Return a JSON-RPC error in one line."""
    return f"{shorten(error.message)} (code {error.code})"


def describe_body(body: bytes) -> str | None:
    """Return the words in a body that is not a JSON-RPC answer; None without words."""
    text = body[:_LOOKED_AT].decode("utf-8", errors="replace").strip()
    if not text or "\x00" in text or "\ufffd" in text[:LONGEST_SHOWN]:
        return None
    if text[0] in '{["' and len(body) <= _LOOKED_AT:
        try:
            return describe_value(parse_json(text))
        except (ValueError, RecursionError):
            pass
    return (_describe_page(text) if text[0] == "<" else _first_line(text)) or None


def describe_value(value: Any) -> str | None:
    """Return the words in a parsed message that is not a JSON-RPC answer, or None."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if not isinstance(value, dict):
        return shorten(value) or None if isinstance(value, str) else None
    error = value.get("error")
    if isinstance(error, dict) and error:
        code = error.get("code")
        said = _words_of(error) or _as_json(error)
        is_code = isinstance(code, str | int) and not isinstance(code, bool)
        return (
            f"{said} (code {shorten(str(code)) if len(str(code)) < 50 else '…'})"
            if is_code
            else said
        )
    return _words_of(value)


def _words_of(members: dict[str, Any]) -> str | None:
    for name in _SAYING:
        said = members.get(name)
        if isinstance(said, str) and said.strip():
            return shorten(said)
        if said and isinstance(said, dict | list):
            return _as_json(said)
    return None


def _as_json(value: Any) -> str:
    return shorten(json.dumps(value, ensure_ascii=False)[: 40 * LONGEST_SHOWN])


def _describe_page(text: str) -> str:
    from html import unescape  # only for pages: it has a table of 2,231 names

    title = re.search(_TITLE, text)
    if title is not None and title.group(1).strip():
        return shorten(unescape(title.group(1)))
    return _first_line(unescape(re.sub(_TAG, "\n", re.sub(_NOT_TEXT, "\n", text))))


def _first_line(text: str) -> str:
    return shorten(next((line for line in text.splitlines() if line.strip()), ""))
