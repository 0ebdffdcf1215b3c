"""Foreign exceptions end here: each becomes a reason in this program's own words, and its code.

No message of a library or of the system's resolver is passed on: they quote addresses.
"""

import errno
import http.client
import socket
import ssl
from collections.abc import Callable
from typing import Any

from seqsend.errors import EndpointFailure
from seqsend.models import ReasonCode
from seqsend.transports.base import Exchange

Reason = tuple[str, ReasonCode]

_OUT_OF_MEMORY: Reason = ("this machine is out of memory", "local_limit")
_TOO_MANY_FILES: Reason = ("too many open files on this machine", "local_limit")

# The common errors; any other is described in the system's own words.
_BY_ERRNO: dict[int, Reason] = {
    errno.ECONNREFUSED: ("connection refused", "refused"),
    errno.ECONNRESET: ("connection reset", "closed"),
    errno.ECONNABORTED: ("connection aborted", "closed"),
    errno.EPIPE: ("connection closed while the request was being written", "closed"),
    errno.EHOSTUNREACH: ("host unreachable", "no_route"),
    errno.ENETUNREACH: ("network unreachable", "no_route"),
    errno.ETIMEDOUT: ("connection timed out", "timeout"),
    errno.EMFILE: _TOO_MANY_FILES,
    errno.ENFILE: _TOO_MANY_FILES,
    errno.ENOBUFS: _OUT_OF_MEMORY,
    errno.ENOMEM: _OUT_OF_MEMORY,
}

# X509_V_ERR_… of openssl/x509_vfy.h
_BY_VERIFY_CODE: dict[int, ReasonCode] = {
    9: "tls_not_yet_valid",
    10: "tls_expired",
    62: "tls_wrong_name",
    64: "tls_wrong_name",
}

_TLS_ALERT = "\x15\x03"  # RFC 8446, section 5.1: what a TLS server says to plain HTTP

# What OpenSSL says when the first bytes are not TLS.
_NOT_TLS = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG")

# The phase that a deadline ended.
_TIMEOUTS: dict[str, Reason] = {
    "dns": ("no answer from DNS", "dns_timeout"),
    "dial": ("connection timed out", "dial_timeout"),
    "proxy": ("no answer from the proxy in time", "proxy_unreachable"),
    "tls": ("TLS handshake timed out", "tls_failed"),
    "upgrade": ("no answer in time", "timeout"),
    "send": ("request not taken in time", "timeout"),
    "answer": ("no answer in time", "timeout"),
}


class NotHttp(http.client.HTTPException):
    """What came is not an HTTP answer, or not one that can be understood."""


def timeout_failure(exchange: Exchange) -> EndpointFailure:
    """Return the failure of ``exchange`` to meet its deadline."""
    what, code = _TIMEOUTS[exchange.phase]
    return EndpointFailure(f"{what} ({exchange.deadline.name})", code)


def failure_of(error: BaseException) -> EndpointFailure:
    """Return what ``error`` means for an attempt."""
    if isinstance(error, EndpointFailure):
        return error
    return EndpointFailure(*_explain(error))


def _explain(error: BaseException) -> Reason:
    for kind, explain in _EXPLANATIONS:
        if isinstance(error, kind):
            return explain(error)
    return "not an HTTP answer", "not_http"


def _explain_certificate(error: ssl.SSLCertVerificationError) -> Reason:
    code = _BY_VERIFY_CODE.get(error.verify_code, "tls_untrusted")
    return f"certificate not trusted: {error.verify_message}", code


def _explain_tls(error: ssl.SSLError) -> Reason:
    reason = error.reason or ""
    if reason in _NOT_TLS:
        return "TLS failed: the port does not speak TLS (plain HTTP?)", "tls_not_spoken"
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return "TLS failed: connection closed", "tls_failed"
    return f"TLS failed: {reason.replace('_', ' ').lower() or 'protocol error'}", "tls_failed"


def _explain_look_up(error: socket.gaierror) -> Reason:
    # glibc returns this if /etc/resolv.conf has no server, or none of its servers answers:
    # getaddrinfo(3).
    if error.errno == socket.EAI_AGAIN:
        return "name not looked up: this machine's resolver gets no answer", "no_resolver"
    return "name does not resolve", "dns_failed"


def _explain_system(error: OSError) -> Reason:
    other = (error.strerror or type(error).__name__).lower()
    return _BY_ERRNO.get(error.errno or 0, (other, "dial_failed"))


def _explain_status_line(error: http.client.BadStatusLine) -> Reason:
    if str(error).startswith(_TLS_ALERT):
        return "not an HTTP answer but TLS: the port wants https", "tls_wanted"
    return "not an HTTP answer", "not_http"


# The most specific first.
_EXPLANATIONS: tuple[tuple[type[BaseException], Callable[[Any], Reason]], ...] = (
    # This one is an OSError, too.
    (http.client.RemoteDisconnected, lambda _: ("connection closed without an answer", "closed")),
    (http.client.IncompleteRead, lambda _: ("answer cut off", "closed")),
    (http.client.BadStatusLine, _explain_status_line),
    (ssl.SSLCertVerificationError, _explain_certificate),
    (ssl.SSLError, _explain_tls),
    (socket.gaierror, _explain_look_up),
    (UnicodeError, lambda _: ("name does not resolve", "dns_failed")),
    (OSError, _explain_system),
    (MemoryError, lambda _: _OUT_OF_MEMORY),
)
