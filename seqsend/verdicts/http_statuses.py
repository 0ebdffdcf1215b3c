"""What an HTTP status alone says: why it failed, and whether it can have been delivered. Pure."""

from collections.abc import Container
from typing import NamedTuple

from seqsend.models import Delivered, ReasonCode

JUDGED_BY_ERROR = frozenset({400, 409, 413, 422})
"""Statuses with which servers send a JSON-RPC error that counts (proxyd, geth, nethermind)."""


class _Statuses(NamedTuple):
    statuses: Container[int]
    reason_code: ReasonCode
    delivered: Delivered


# The first line that holds a status applies. "no" is only for statuses that a server sends instead
# of passing the request on: RFC 9110, section 15.5; RFC 6585 (429, 431); Cloudflare,
# "5xx errors": 521-523 no connection to the origin, 525 and 526 no TLS with it, 530 no address.
_STATUSES = (
    _Statuses({401, 403}, "unauthorized", "no"),
    _Statuses({404, 410}, "not_found", "no"),
    _Statuses({405}, "not_allowed", "no"),
    _Statuses({407}, "proxy_refused", "no"),
    _Statuses({413}, "request_too_large", "no"),
    _Statuses({429}, "rate_limited", "no"),
    _Statuses({402, 411, 414, 415, 421, 426, 431, 451}, "http_error", "no"),
    _Statuses({521, 522, 523, 525, 526, 530}, "bad_gateway", "no"),
    _Statuses(range(300, 400), "redirect", "no"),
    _Statuses({408, 504, 524}, "gateway_timeout", "unknown"),
    _Statuses({502, 503}, "bad_gateway", "unknown"),
    _Statuses(range(500, 600), "server_error", "unknown"),
)
_ANY = _Statuses((), "http_error", "unknown")


def _find(status: int) -> _Statuses:
    return next((line for line in _STATUSES if status in line.statuses), _ANY)


def status_delivered(status: int) -> Delivered:
    """Return whether a request answered with ``status`` (not 2xx) can have been passed on."""
    return _find(status).delivered


def status_reason_code(status: int) -> ReasonCode:
    """Return the reason code of an HTTP status that is not 2xx."""
    return _find(status).reason_code
