"""What to do next about an endpoint that failed. Pure.

Asked from the top; the first line that fits the attempt's HTTP status and reason is taken. The
reasons are this program's own words, so that a line of the table is found by them.
"""

import re
from collections.abc import Container
from dataclasses import dataclass

from seqsend.models import Attempt


@dataclass(frozen=True, slots=True)
class _Hint:
    text: str
    reason: str = ""
    """A regular expression that the reason holds."""
    statuses: Container[int] | None = None
    """HTTP statuses; None for an attempt without one that says anything (no answer, or 2xx)."""


_HINTS = (
    _Hint("write https:// instead of http://", "wants https"),
    # HTTP statuses
    _Hint("write https:// instead of http://", "wants https", {400}),
    _Hint(
        "credentials? give them in the URL (user:password@host) or with --rollup.sequencer-headers",
        statuses={401, 403},
    ),
    _Hint("wrong path? the address of an RPC endpoint often ends in / or /rpc", statuses={404}),
    _Hint("it takes no POST there: a web site or a wrong path", statuses={405}),
    _Hint("rate limited: wait, or use another endpoint or key", statuses={429}),
    _Hint("give the address that it points to", statuses=range(300, 400)),
    _Hint("a proxy answers, and the node behind it does not in time", statuses={408, 504}),
    _Hint("a proxy answers, and has no healthy node behind it", statuses={502, 503}),
    _Hint("the server itself is in trouble: its log says more", statuses=range(500, 1000)),
    _Hint("no JSON-RPC endpoint answers so: check host, port and path", statuses=range(1000)),
    # Before the request
    _Hint("see HTTP_PROXY, HTTPS_PROXY and NO_PROXY", "the proxy"),
    _Hint("check its spelling; if that is right, this machine's resolver", "does not resolve"),
    _Hint("the resolver does not answer: see /etc/resolv.conf, or give an IP address", "DNS"),
    _Hint(
        "the host is up and nothing listens on that port: does the node run, is this its RPC port?",
        "connection refused",
    ),
    _Hint(
        "packets are dropped on the way (firewall?), or the host is down", "connection timed out"
    ),
    _Hint("this machine has no way there: address, VPN or routes?", "unreachable"),
    _Hint("write http:// instead of https://, or ask for the TLS port", "does not speak TLS"),
    _Hint("its certificate must be renewed", "certificate has expired"),
    _Hint("this machine's clock may be wrong", "not yet valid"),
    _Hint("use a name that its certificate is for", "not valid for"),
    _Hint("if you trust who signed it, name their certificate with --cacert", "not trusted"),
    _Hint("what listens there may not speak TLS: is this the right port?", "TLS"),
    # The answer
    _Hint("a web page, a block explorer's for one: check host and path", "an HTML page"),
    _Hint("it takes requests and does not answer: the node hangs or is overloaded", "in time"),
    _Hint("something closes connections: a proxy, a restart, or a wrong port", "closed|reset|cut"),
    _Hint("raise --max-response-size, if so much is expected", "larger than"),
    _Hint("rate limited: wait, or use another endpoint or key", "rate|too many requests"),
    _Hint("wait until it has synced, or use another endpoint", "sync"),
    _Hint("a proxy answers, and has no healthy node behind it", "backend"),
    _Hint("what listens there speaks no JSON-RPC: check host, port and path", "not "),
)


def hint_for(attempt: Attempt) -> str:
    """Return what to do about ``attempt``, which failed, in one line."""
    status, reason = attempt.http_status, attempt.reason or ""
    told = status is not None and not 200 <= status < 300
    for hint in _HINTS:
        fits = hint.statuses is None if not told else status in (hint.statuses or ())
        if fits and re.search(hint.reason, reason):
            return hint.text
    return "its own words say what is wrong"
