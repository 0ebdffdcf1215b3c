"""Makes text safe to show: takes secrets out, and makes foreign text harmless.

The lowest layer: it knows strings and nothing else, so that errors, events and all output use the
same rules. Nothing that came from a user's URL or from a server reaches a screen, a log or a file
without passing through here.
"""

import json
import re
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any
from urllib.parse import unquote, urlsplit

HIDDEN = "***"

# API keys in a path are runs at least this long (examples/REFERENCE.md, "Security").
_KEY_IN_PATH = re.compile(r"[A-Za-z0-9_-]{16,}")

# Compiled on use: most output is plain ASCII.
# C0, DEL and C1 controls; the soft hyphen and the other invisible or direction-changing format
# characters (Unicode's Bidi_Control, zero-width and tag characters); line and paragraph separators;
# lone surrogates, which no terminal and no UTF-8 file takes.
_UNSAFE = (
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    "\ud800-\udfff\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]+"
)

# Shorter ones would hide ordinary words of a server's message, and protect nothing.
_SHORTEST_SECRET = 4

LONGEST_SCRUBBED = 64 * 1024
"""Characters. The rest of a server's text is cut off, unread."""

_LONGEST_SHOWN = 2000  # characters
_PIECE = 64 * 1024  # characters that are escaped at once

# Authentication schemes (RFC 9110, 11.1, and customs): a first word that is not a secret.
_SCHEMES = frozenset({"basic", "bearer", "digest", "token", "apikey", "negotiate"})
_HTML = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;"})


def redact_url(url: str) -> str:
    """Return ``url`` with userinfo, query, fragment and key-like path segments shown as ``***``.

    Works on anything that was meant as a URL, even if no parser accepts it: an error message about
    a URL must not leak it. When in doubt it hides more, not less.
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
    """Return an HTTP status in words; for a redirect with its target, redacted."""
    if 300 <= status < 400 and location:
        return f"HTTP {status} redirect to {redact_url(location)}, not followed"
    return f"HTTP {status}"


def redact_words(text: str, arguments: Sequence[str] = (), flags: Iterable[str] = ()) -> str:
    """Return ``text`` with its quotations of a command line redacted; option names stay.

    Args:
        text: a message about a word that was not understood, which can be anything.
        arguments: the words of the command line, by which one with a blank in it is recognised.
        flags: options that take a value; the blank before the value may be missing.

    """
    known = sorted(flags, key=len, reverse=True)
    # A message may quote the option alone of `--option=value`, and may quote it escaped.
    parts = {part for word in arguments for part in (word, word.partition("=")[0]) if part.strip()}
    quoted = {spelt: part for part in parts for spelt in (part, repr(part)[1:-1], escape(part))}
    for spelt in sorted(quoted, key=len, reverse=True):
        redacted = _redact_argument(quoted[spelt], known)
        if redacted != quoted[spelt]:
            text = text.replace(spelt, redacted)
    return re.sub(r"[^\s()'\"]+", lambda match: _redact_word(match.group(), known), text)


def redact_value(text: str) -> str:
    """Return the value of an option, or a path, as typed, with secrets hidden.

    It was meant as a number, a time or a name: it is shown unless it looks like an address or a
    credential in the wrong place.
    """
    words = text.split()
    if words and words[0].lower() in _SCHEMES:
        return HIDDEN
    return redact_url(text) if "://" in text or "@" in text[1:] else text


def redact_quoted(message: str, text: str) -> str:
    """Return ``message`` with `redact_value` applied to each quotation of ``text``."""
    shown = redact_value(text)
    if shown == text:
        return message
    for spelt in {text, repr(text)[1:-1], escape(text)}:
        message = message.replace(spelt, shown)
    return message


def glued_option(word: str, flags: Iterable[str]) -> str | None:
    """Return the option that ``word`` begins with, if its value follows without a blank."""
    for flag in sorted(flags, key=len, reverse=True):
        if word.startswith(flag):
            # One or two letters more are a typo, and `-more` is another option's name.
            rest = word[len(flag) :]
            return None if re.fullmatch(r"[a-z]{0,2}|-[a-z-]+|=.*", rest, re.DOTALL) else flag
    return None


def _redact_argument(argument: str, flags: Sequence[str]) -> str:
    if re.search(r"\s", argument) is None:
        return _redact_word(argument, flags)
    # An argument with a blank is a value; its single words would look harmless.
    return _redact_word(re.sub(r"\s", "?", argument), flags) if argument[0] == "-" else HIDDEN


def _redact_word(word: str, flags: Sequence[str] = ()) -> str:
    if word.startswith("-"):
        glued = glued_option(word, flags)
        if glued is not None:
            return glued + HIDDEN
        rest = re.sub(r"^[A-Za-z.-]*[0-9]{0,3}", "", word)
        name = word[: len(word) - len(rest)]
        return name + "=" * rest.startswith("=") + HIDDEN * bool(rest)
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
    for part in re.split("[&;]", parts.query):
        name, equals, value = part.partition("=")
        found.add(value if equals else name)
    found.update(s for s in parts.path.split("/") if _KEY_IN_PATH.search(s))
    if parts.username or parts.password:
        # As it is sent, in a header (RFC 7617).
        found.add(f"{unquote(parts.username or '')}:{unquote(parts.password or '')}")
    return frozenset(text for text in found if text)


def secrets_in_header(name: str, value: str) -> frozenset[str]:
    """Return a header's secrets: its value, each word of it, and Basic's credentials, decoded.

    A server may quote only the second word of ``Bearer abc``, only what follows the equals sign of
    ``session=abc``, and Basic's credentials decoded.
    """
    words = [word for word in re.split(r"[\s,;]+", value) if word]
    is_scheme = len(words) > 1 and (
        name.lower().endswith("authorization") or words[0].lower() in _SCHEMES
    )
    found = {value, *words[is_scheme:]}
    found |= {word.partition("=")[2].strip("\"'") for word in words}
    if is_scheme and words[0].lower() == "basic":
        user, _, password = _decode_base64(words[1]).partition(":")
        found |= {user, password, f"{user}:{password}"}
    return frozenset(text for text in found if text)


def _decode_base64(text: str) -> str:
    try:
        return b64decode(text + "=" * (-len(text) % 4)).decode()
    except ValueError:
        return ""


def scrub(text: str, secrets: Iterable[str]) -> str:
    """Return ``text`` with every one of ``secrets`` replaced by ``***``.

    They are found as given, percent-encoded (each character or some of them) or -decoded, in
    base64, as JSON and HTML write them, and in upper or lower case. Overlapping ones are
    replaced as one. Only the first :data:`LONGEST_SCRUBBED` characters are searched and returned.
    """
    hidden = frozenset(secrets)
    forms = _forms(hidden)
    if not forms:
        return text
    is_cut = len(text) > LONGEST_SCRUBBED
    # A secret that begins before the cut must be seen whole: 15 characters for each byte of it at
    # most (as `%2525c3`, twice encoded, of one character).
    seen = text[: LONGEST_SCRUBBED + 15 * len(forms[0].encode())] if is_cut else text
    parts, end = [], 0
    for start, stop in _spans(seen, hidden):
        parts += [seen[end:start], HIDDEN]
        end = stop
    if is_cut:
        return "".join(parts) + seen[end:LONGEST_SCRUBBED] + "…"
    return "".join(parts) + seen[end:]


def _spans(text: str, secrets: frozenset[str]) -> Iterator[tuple[int, int]]:
    """Yield where ``text`` holds secrets, overlapping and adjacent ones as one."""
    is_encoded = "%" in text
    lower = text.lower()
    if not is_encoded and not any(form in lower for form in _lower_forms(secrets)):
        return
    start = stop = -1
    for match in _pattern(secrets, encoded=is_encoded).finditer(text):
        if match.start(1) >= LONGEST_SCRUBBED:
            break
        if match.start(1) > stop:
            if stop > start:
                yield start, stop
            start = match.start(1)
        stop = max(stop, match.end(1))
    if stop > start:
        yield start, stop


@lru_cache(maxsize=8)
def _forms(secrets: frozenset[str]) -> tuple[str, ...]:
    """Return the forms to look for, the longest first, except the percent-encoded ones."""
    # Some servers decode twice.
    decoded = {unquote(secret) for secret in secrets}
    plain = secrets | decoded | {unquote(form) for form in decoded}
    plain = frozenset(form for form in plain if len(form) >= _SHORTEST_SECRET)
    found = set(plain)
    for form in plain:
        data = form.encode(errors="replace")
        found |= {b64encode(data).decode().rstrip("="), b64encode(data, b"-_").decode().rstrip("=")}
        in_json = json.dumps(form)[1:-1]
        found |= {in_json, in_json.replace("/", "\\/"), json.dumps(form, ensure_ascii=False)[1:-1]}
        found |= {form.translate(_HTML), form.replace(" ", "+")}
    # Some letters become several in the other case; a pattern that ignores case misses that.
    found |= {cased for form in found for cased in (form.upper(), form.lower())}
    return tuple(sorted(found, key=len, reverse=True))


@lru_cache(maxsize=8)
def _lower_forms(secrets: frozenset[str]) -> frozenset[str]:
    return frozenset(form.lower() for form in _forms(secrets))


@lru_cache(maxsize=16)
def _pattern(secrets: frozenset[str], *, encoded: bool) -> re.Pattern[str]:
    # A lookahead also finds a secret that begins within another.
    write = _encoded_pattern if encoded else re.escape
    unique = {form.lower() if form.isascii() else form: form for form in _forms(secrets)}
    return re.compile(f"(?=({'|'.join(map(write, unique.values()))}))", re.IGNORECASE)


def _encoded_pattern(form: str) -> str:
    """Return a pattern for ``form`` with any of its characters percent-encoded, up to twice."""
    return "".join(map(_character_pattern, form))


@lru_cache(maxsize=256)
def _character_pattern(character: str) -> str:
    written = {re.escape(character)}
    for cased in (character, character.upper(), character.lower()):
        data = cased.encode(errors="replace")
        written.add("".join(f"%(?:25){{0,2}}{byte:02x}" for byte in data))
    return f"(?:{'|'.join(sorted(written))})"


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
    if text.isascii() and text.isprintable():
        return text
    unsafe = re.compile(_UNSAFE)
    if unsafe.search(text) is None:
        return text
    # Piece by piece: else there would be an object for each of millions of characters at once.
    pieces = (text[at : at + _PIECE] for at in range(0, len(text), _PIECE))
    return "".join(unsafe.sub(_as_json_escape, piece) for piece in pieces)


def excerpt(text: str) -> str:
    """Return ``text`` escaped, and cut after 2,000 characters."""
    rest = len(text) - _LONGEST_SHOWN
    return (
        escape(text)
        if rest <= 0
        else f"{escape(text[:-rest])}… ({rest} more character{'s' * (rest > 1)})"
    )


def _as_json_escape(match: re.Match[str]) -> str:
    # One match for a whole run of characters: there may be millions.
    return "".join(map(_json_escape, match.group()))


@lru_cache(maxsize=256)
def _json_escape(character: str) -> str:
    code = ord(character)
    if code < 0x10000:
        return f"\\u{code:04x}"
    code -= 0x10000
    return f"\\u{0xD800 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"
