"""The words of an error: normalised, and split into the layers that programs added. Pure.

A replica that forwards a transaction returns what it got: its own words, around those of its HTTP
client, around the sequencer's. `unwrap` separates them, so that each layer is judged by itself.
"""

import itertools
import json
import re
from functools import cache
from typing import Any, NamedTuple

from seqsend.models import JsonRpcError

LONGEST = 4096
"""Characters that are read. No node's words are longer; a hostile server's may be."""

MAX_LAYERS = 8

# Regular expressions are kept as text, here and in the tables, and compiled when they are needed:
# most runs see no error at all.
_URL = r"(?i)\b[a-z][a-z0-9+.]*://[^\s\"'<>)\]}]*"
_METHOD = (
    r"\b(?:[a-z][a-z0-9]*_[a-z]+[A-Z]\w*"
    r"|(?:eth|net|web3|debug|trace|admin|personal|engine|wallet)_[a-z]\w*)"
)
_CAMEL = r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z]{2})"
_BLANK = r"[\s_\-]+"


class Layer(NamedTuple):
    """Words that one program put around those of the next; the last layer is the innermost."""

    words: str
    """In the form of `plain`."""
    code: int | None
    """The JSON-RPC code that came with them, or None."""
    status: int | None
    """The HTTP status that they name, or None."""
    is_answer: bool
    """They are a JSON-RPC error from an answer, not a client's account of one."""


def plain(text: str) -> str:
    """Return ``text`` in the form in which it is compared with the tables.

    That is in lower case, with ``AlreadyKnown`` and ``ALREADY_EXISTS`` split into words and one
    blank between words. URLs and method names are replaced: their parts are not the server's words.
    """
    text = re.sub(_URL, "url", text[:LONGEST].replace("\u2019", "'"))
    text = re.sub(_METHOD, "method", text)
    return re.sub(_BLANK, " ", re.sub(_CAMEL, " ", text)).strip().lower()


@cache
def _compiled(phrases: tuple[str, ...]) -> re.Pattern[str]:
    text = "|".join(phrase if phrase.startswith("^") else rf"\b{phrase}" for phrase in phrases)
    return re.compile(text.replace("… ", r"(?:[^\s:]+ ){0,4}?"))


def says(words: str, phrases: tuple[str, ...]) -> bool:
    """Return whether plain ``words`` hold one of ``phrases``.

    A phrase is a regular expression that matches from the start of a word; ``…`` in it stands for
    up to four words without a colon.
    """
    return _compiled(phrases).search(words) is not None


def unwrap(error: JsonRpcError) -> list[Layer]:
    """Return the layers of an error, the outermost first."""
    layers: list[Layer] = []
    text, code, is_answer = error.message[:LONGEST], error.code, True
    inner_code: int | None = code
    while len(layers) < MAX_LAYERS - 1:
        found = _peel(text)
        if found is None:
            break
        words = plain(found.before)
        layers.append(Layer(words, inner_code, status_in(words), is_answer))
        text, inner_code, is_answer = found.inside, found.code, found.is_answer
    words = plain(text)
    layers.append(Layer(words, inner_code, status_in(words), is_answer))
    return layers


# From HTTP clients: Go's http.Response.Status and go-ethereum rpc/http.go HTTPError ("502 Bad
# Gateway: …"), alloy TransportErrorKind ("HTTP error 503 with body: …"), and others ("status code
# 502", "HTTP status 503", "HTTP/1.1 429").
_STATUS = (
    r"\bhttp(?:/[\d.]+)? (?:(?:error|status|response|code|client|server) ?[:=(]? ?)*([1-5]\d\d)\b"
    r"|\bstatus(?: code)? ?(?:[:=(]|of|was|is)? ?([1-5]\d\d)\b"
    r"|\b([1-5]\d\d)[ :,]+\(?(?:bad request|unauthori[sz]ed|payment required|forbidden|not found"
    r"|method not allowed|proxy auth|request time ?out|conflict|gone|length required"
    r"|(?:payload|content|request entity|uri) too l|unsupported media|unprocessable|too many req"
    r"|internal server|not implemented|bad gateway|service (?:temporarily )?unav|gateway time"
    r"|origin|web server)"
)


def status_in(words: str) -> int | None:
    """Return the HTTP status that plain ``words`` name, or None."""
    found = re.search(_STATUS, words)
    return int(next(filter(None, found.groups()))) if found else None


_ENDS = "'\"`{}()[],;\\ \t\r\n"
"""Characters that may end the words around, and mean nothing."""


class _Peeled(NamedTuple):
    before: str
    inside: str
    code: int | None = None
    is_answer: bool = False


class _Wrapper(NamedTuple):
    words: str
    """A pattern for what precedes the wrapped words. Its groups "code" and "inside" give these if
    it has them; otherwise the rest of the text is inside."""
    is_answer: bool = False


_WRAPPERS = (
    # alloy ErrorPayload ("server returned an error response: error code -32000: already known,
    # data: …"), and in the words of others ("RPC error -32000: …")
    _Wrapper(
        r"(?is)\b(?:error code|rpc error|rpc response error|server error|error):? "
        r"\(?(?:code[:=]? ?)?(?P<code>-\d{1,9}|\d{1,2})\)?(?:: | - |, )"
        r"(?P<inside>.+?)(?:, data: .*)?$",
        is_answer=True,
    ),
    # ethers-rs JsonRpcError, jsonrpsee ErrorObject, a Python dict: code: …, message: …, data: …
    _Wrapper(
        r"(?is)['\"]?\bcode['\"]?: (?:\w+\()?(?P<code>-?\d{1,9})\)?, ['\"]?message['\"]?: ['\"]?"
        r"(?P<inside>.+?)['\"]?(?:, ['\"]?data['\"]?: .*)?$",
        is_answer=True,
    ),
    # gRPC's status: google.golang.org/grpc/internal/status Error.Error
    _Wrapper(r"(?i)\brpc error: code = \w+ desc = "),
    # Go's net/url Error, with and without quotes (before Go 1.14)
    _Wrapper(r"(?i)\b(?:Post|Get|Put|Head) [\\\"]*[a-z][a-z0-9+]*://[^\s\"]*\"?:? ?"),
    # mantle op-geth, eth/api_backend.go; others: Error message: '…', err: "…"
    _Wrapper(
        r"(?i)\b(?:error message|err|error|reason|cause|message|msg|details?) ?[:=] ?['\"`]",
    ),
    # alloy TransportErrorKind::HttpError; go-ethereum rpc/http.go HTTPError
    _Wrapper(r"(?i)\bHTTP error \d{3} with body: "),
    _Wrapper(r"^[1-5]\d\d [A-Z][A-Za-z '-]{2,40}: "),
    # A forward's own words, up to the error that it met
    _Wrapper(r"(?i)\b(?:forward|relay|prox|rout)(?:y|e|ed|ing)?\b[^:'\"{]{0,80}: ?"),
    _Wrapper(r"(?i)^\s*(?:server returned an error response|err|error) ?[:=] ?"),
)


def _peel(text: str) -> _Peeled | None:
    """Return the outermost words of ``text`` and what is inside them, or None."""
    found = _peel_json(text)
    if found is not None:
        return found
    for words, is_answer in _WRAPPERS:
        match = re.search(words, text)
        if match is None:
            continue
        groups = match.groupdict()
        inside = (groups.get("inside") or text[match.end() :]).strip(_ENDS)
        if not inside:
            continue
        before = text[: match.start("inside")] if groups.get("inside") else text[: match.end()]
        code = groups.get("code")
        return _Peeled(before, inside, int(code) if code else None, is_answer)
    return None


def _peel_json(text: str) -> _Peeled | None:
    """Return the JSON-RPC error that ``text`` holds as JSON, plain or escaped, or None."""
    for start in itertools.islice(re.finditer(r'\{\s*\\?"', text), MAX_LAYERS):
        rest = text[start.start() :]
        for candidate in (rest, rest.replace('\\"', '"')):
            try:
                value, _ = json.JSONDecoder().raw_decode(candidate)
            except (ValueError, RecursionError):
                continue
            error: Any = value.get("error", value)
            if isinstance(error, dict) and isinstance(error.get("message"), str):
                code = error.get("code")
                code = code if type(code) is int else None
                return _Peeled(text[: start.start()], error["message"], code, is_answer=True)
    return None
