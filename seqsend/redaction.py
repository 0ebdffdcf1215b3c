"""What may be shown: secrets taken out of URLs, foreign text made harmless.

The lowest room: it knows strings and nothing else, so that errors, events and all output use the
same two rules. Nothing that came from a user's URL or from a server reaches a screen, a log or a
file without passing through here.
"""

import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import unquote, urlsplit

HIDDEN = "***"

# A run this long is what API keys in a path look like (contract, section 2).
_KEY_IN_PATH = re.compile(r"[A-Za-z0-9_-]{16,}")

# C0, DEL and C1 controls; the soft hyphen and the other invisible or direction-changing format
# characters (Unicode's Bidi_Control, zero-width and tag characters); line and paragraph separators;
# lone surrogates, which no terminal and no UTF-8 file takes.
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    "\ud800-\udfff\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)

# Shorter ones would blot out ordinary words of a server's message, and hide nothing.
_SHORTEST_SECRET = 4

_LONGEST_SHOWN = 2000  # characters


def redact_url(url: str) -> str:
    """Return ``url`` with userinfo, query, fragment and key-like path segments shown as ``***``.

    Works on anything that was meant as a URL, also on what no parser accepts: an error message
    about a URL must not be what leaks it. When in doubt it hides more, not less.
    """
    scheme, separator, rest = url.partition("://")
    if not separator:
        scheme, rest = "", url
    elif _KEY_IN_PATH.search(scheme) or "@" in scheme:
        scheme = HIDDEN
    place, mark, tail = _split_at_query(rest)
    if "@" in tail:
        # A password with a bare `?` or `#` looks just like a query with an e-mail address.
        return f"{scheme}{separator}{HIDDEN}"
    userinfo, at, place = place.rpartition("@")
    host, *segments = place.split("/")
    shown = "/".join([host, *(_redact_segment(segment) for segment in segments)])
    return escape(
        f"{scheme}{separator}{HIDDEN + '@' if userinfo or at else ''}{shown}"
        f"{mark}{HIDDEN if mark else ''}"
    )


def describe_status(status: int, location: str | None) -> str:
    """Return an HTTP status in words; of a redirect, where it points, redacted."""
    if 300 <= status < 400 and location:
        return f"HTTP {status} redirect to {redact_url(location)}, not followed"
    return f"HTTP {status}"


def redact_words(text: str) -> str:
    """Return ``text`` with each word that may be a URL or a key redacted; option names stay.

    For messages that quote a command line: the word that was not understood can be anything.
    """
    return re.sub(r"[^\s()'\"]+", lambda match: _redact_word(match.group()), text)


def _redact_word(word: str) -> str:
    if word.startswith("-"):
        name, equals, _ = word.partition("=")
        return f"{name}{equals}{HIDDEN}" if equals else name
    if "://" in word or "@" in word:
        return redact_url(word)
    return _redact_segment(word)


def _split_at_query(text: str) -> tuple[str, str, str]:
    found = re.search(r"[?#]", text)
    if found is None:
        return text, "", ""
    return text[: found.start()], found.group(), text[found.end() :]


def _redact_segment(segment: str) -> str:
    return HIDDEN if _KEY_IN_PATH.search(segment) else segment


def secrets_in_url(url: str) -> frozenset[str]:
    """Return the parts of a well-formed ``url`` that :func:`redact_url` hides.

    A server can quote the address it was reached at: these strings are taken out of its text.
    """
    parts = urlsplit(url)
    found = {parts.username, parts.password, parts.query, parts.fragment}
    found.update(value for _, _, value in (p.partition("=") for p in parts.query.split("&")))
    found.update(s for s in parts.path.split("/") if _KEY_IN_PATH.search(s))
    decoded = {unquote(text) for text in found if text}
    return frozenset(text for text in found | decoded if text)


def scrub(text: str, secrets: Iterable[str]) -> str:
    """Return ``text`` with every one of ``secrets`` replaced by ``***``, the longest first."""
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= _SHORTEST_SECRET:
            text = text.replace(secret, HIDDEN)
    return text


def scrub_json(value: Any, secrets: Iterable[str]) -> Any:
    """Return a JSON value with :func:`scrub` applied to each string in it, keys included."""
    if isinstance(value, str):
        return scrub(value, secrets)
    if isinstance(value, list):
        return [scrub_json(item, secrets) for item in value]
    if isinstance(value, dict):
        return {scrub(key, secrets): scrub_json(item, secrets) for key, item in value.items()}
    return value


def escape(text: str) -> str:
    r"""Return ``text`` with control, direction-changing and unprintable characters as ``\uXXXX``.

    The form is JSON's, so that the same text may stand inside a JSON string without changing what
    that string means. ``\n`` and ``\t`` are escaped too: one message stays one line.
    """
    return _UNSAFE.sub(_as_json_escape, text)


def excerpt(text: str) -> str:
    """Return ``text`` escaped, and cut where a screen is no longer the place for it."""
    rest = len(text) - _LONGEST_SHOWN
    return escape(text) if rest <= 0 else f"{escape(text[:-rest])}… ({rest} more characters)"


def _as_json_escape(match: re.Match[str]) -> str:
    code = ord(match.group())
    if code < 0x10000:
        return f"\\u{code:04x}"
    code -= 0x10000
    return f"\\u{0xD800 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"
