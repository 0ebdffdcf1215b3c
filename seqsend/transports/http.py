"""HTTP and HTTPS endpoints, over requests' adapter and its pool of kept-alive connections.

The adapter is used without a `requests.Session`: a session would read ~/.netrc, keep cookies and
follow redirects, and none of that is wanted here. No message of requests or urllib3 leaves this
file, because they quote the URL.
"""

import http.client
import ipaddress
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.utils import get_environ_proxies, select_proxy

from seqsend.endpoints import WEBSOCKET, split_url
from seqsend.errors import EndpointFailure, UsageError
from seqsend.models import Endpoint, Reply
from seqsend.redaction import redact_url
from seqsend.transports.base import Exchange
from seqsend.transports.connections import POOLS
from seqsend.transports.sockets import current_exchange, describe_os_error
from seqsend.transports.tls import trust
from seqsend.units import format_size
from seqsend.version import __version__

_POOL_SIZE = 32  # connections kept alive per endpoint; more threads than that dial anew
_CHUNK = 64 * 1024
_LONGEST_ERROR_BODY = 64 * 1024  # bytes read of an error status: enough for any JSON-RPC error

_TLS_ALERT = "\x15\x03"  # RFC 8446, section 5.1: what a TLS server says to plain HTTP

# The most specific first.
_REASONS: tuple[tuple[type[BaseException], str], ...] = (
    (http.client.RemoteDisconnected, "connection closed without an answer"),
    (http.client.IncompleteRead, "answer cut off"),
    (urllib3.exceptions.DecodeError, "answer could not be decompressed"),
    (http.client.HTTPException, "not an HTTP answer"),
)


@dataclass(frozen=True, slots=True)
class _Way:
    """How an endpoint is reached: what a request's pool, target and headers are."""

    pool: Any
    """urllib3's, of kept-alive connections to the endpoint, or to its proxy."""
    target: str
    """What stands in the request line."""
    headers: Mapping[str, str]


class HttpTransport:
    """Posts to ``http://`` and ``https://`` endpoints; safe to share between threads."""

    def __init__(
        self,
        endpoints: Sequence[Endpoint],
        headers: Mapping[int, Mapping[str, str]],
        *,
        max_response_size: int,
        cacert: str | None = None,
    ) -> None:
        """Prepare everything that is the same for every call; nothing is dialled yet.

        Proxies and CA files are read from the environment here, once.

        Raises:
            UsageError: a URL, a proxy's URL or a CA file cannot be used.

        """
        self._limit = max_response_size
        self._proxies = {e.index: proxy_for(e) for e in endpoints}
        self._requests = {e.index: _prepare(e, headers.get(e.index, {})) for e in endpoints}
        secure = any(
            url.lower().startswith("https:")
            for url in (*(e.url for e in endpoints), *filter(None, self._proxies.values()))
        )
        context = trust(cacert, os.environ) if secure else None
        self._adapter = _Adapter(context, pools=len(endpoints))
        self._ways: dict[int, _Way] = {}
        _hide_urls_in_logs()

    def exchange(self, endpoint: Endpoint, body: bytes, exchange: Exchange) -> Reply:
        """Post ``body`` once. See `seqsend.transports.base.Transport.exchange`."""
        way = self._way(endpoint)
        return self._carry(way, "POST", way.target, body, exchange)

    def fetch(self, endpoint: Endpoint, path: str, exchange: Exchange) -> Reply:
        """Get what is at ``path``. See `seqsend.transports.base.Fetching.fetch`."""
        way = self._way(endpoint)
        parts = urlsplit(way.target)
        below = f"{parts.path.rstrip('/')}/{path}"
        return self._carry(way, "GET", urlunsplit(parts._replace(path=below)), None, exchange)

    def close(self) -> None:
        """Close every connection that was kept alive."""
        self._adapter.close()

    def _way(self, endpoint: Endpoint) -> "_Way":
        """Return the way to an endpoint, found once: it is the same for every call."""
        way = self._ways.get(endpoint.index)
        if way is None:
            request, proxy = self._requests[endpoint.index], self._proxies[endpoint.index]
            proxies = {urlsplit(endpoint.url).scheme.lower(): proxy} if proxy else {}
            pool = self._adapter.get_connection_with_tls_context(request, True, proxies=proxies)
            target = self._adapter.request_url(request, proxies)
            way = self._ways[endpoint.index] = _Way(pool, target, dict(request.headers))
        return way

    def _carry(
        self, way: "_Way", method: str, target: str, body: bytes | None, exchange: Exchange
    ) -> Reply:
        token = current_exchange.set(exchange)
        try:
            raw = way.pool.urlopen(
                method,
                target,
                body,
                way.headers,
                retries=False,
                redirect=False,
                assert_same_host=False,
                preload_content=False,
                decode_content=False,
            )
            try:
                return Reply(raw.status, self._read(raw), raw.headers.get("location"))
            finally:
                # A connection read to its end went back into the pool by itself, out of reach of
                # close(); one that was not is of no use any more.
                raw.close()
                raw.release_conn()
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as e:
            # From None: a traceback is not to show the library's message, with the URL in it.
            raise EndpointFailure(_describe(e)) from None
        finally:
            exchange.leave()
            current_exchange.reset(token)

    def _read(self, raw: Any) -> bytes:
        status = raw.status
        if 200 <= status < 300:
            return _read_at_most(raw, self._limit)
        if 300 <= status < 400:
            return b""
        try:
            return next(_chunks(raw, _LONGEST_ERROR_BODY), b"")
        except (EndpointFailure, urllib3.exceptions.HTTPError, OSError, ValueError):
            return b""  # The status alone says that this is an outage.


def _read_at_most(raw: urllib3.HTTPResponse, limit: int) -> bytes:
    parts, size = [], 0
    for part in _chunks(raw, _CHUNK):
        size += len(part)
        if size > limit:
            raise EndpointFailure(
                f"answer larger than {format_size(limit)}", http_status=raw.status
            )
        parts.append(part)
    return b"".join(parts)


def _chunks(raw: urllib3.HTTPResponse, size: int) -> Iterator[bytes]:
    while part := raw.read(size, decode_content=True):
        yield part


def _prepare(endpoint: Endpoint, headers: Mapping[str, str]) -> requests.PreparedRequest:
    address = split_url(endpoint.url)
    sent = {
        "User-Agent": f"seqsend/{__version__}",
        "Accept": "application/json",
        "Accept-Encoding": "gzip, deflate",
        "Content-Type": "application/json",
    }
    if address.authorization is not None:
        sent["Authorization"] = address.authorization
    request = requests.Request("POST", address.bare_url, headers=sent)
    try:
        prepared = request.prepare()
    except (requests.RequestException, ValueError):
        prepared = None
    if prepared is None:
        raise UsageError(
            f"endpoint {endpoint.index} {endpoint.redacted!r} has no valid host and port",
            example="http://seq1:8545",
        )
    prepared.headers.pop("Content-Length")  # of the body that is not there yet
    prepared.headers.update(headers)  # case-insensitive: a header of the user's replaces ours
    return prepared


def proxy_for(endpoint: Endpoint) -> str | None:
    """Return the proxy that the environment names for ``endpoint``; never one for loopback.

    WebSocket endpoints go by the variables of http and https.

    Raises:
        UsageError: the proxy is not spoken to in HTTP.

    """
    address = split_url(endpoint.url)
    if _is_loopback(address.host):
        return None
    url = address.bare_url.replace("ws", "http", 1) if address.scheme in WEBSOCKET else endpoint.url
    proxy = select_proxy(url, get_environ_proxies(url))
    if proxy is None:
        return None
    proxy = proxy if "://" in proxy else f"http://{proxy}"
    if urlsplit(proxy).scheme.lower() not in ("http", "https"):
        raise UsageError(
            f"proxy {redact_url(proxy)!r} for endpoint {endpoint.index}: not HTTP",
            example="HTTPS_PROXY=http://proxy:3128",
        )
    return proxy


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _describe(error: BaseException) -> str:
    """Return a reason in our own words: the messages of both libraries hold the URL."""
    causes = list(_causes(error))
    if any(
        isinstance(c, http.client.BadStatusLine) and str(c).startswith(_TLS_ALERT) for c in causes
    ):
        return "not an HTTP answer but TLS: the port wants https"
    for kind, reason in _REASONS:
        if any(isinstance(cause, kind) for cause in causes):
            return reason
    for cause in reversed(causes):
        if isinstance(cause, OSError) and not isinstance(cause, requests.RequestException):
            return describe_os_error(cause)
    return "not an HTTP answer"


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield ``error`` and what is wrapped in it, outermost first."""
    seen: list[BaseException] = []
    waiting: list[object] = [error]
    while waiting:
        current = waiting.pop(0)
        if not isinstance(current, BaseException) or any(current is s for s in seen):
            continue
        seen.append(current)
        yield current
        waiting += [*current.args, getattr(current, "reason", None), current.__cause__]


class _Adapter(HTTPAdapter):
    """requests' adapter with our connections in its pools and our trust in its TLS."""

    def __init__(self, context: Any, pools: int) -> None:
        self._context = context
        super().__init__(pool_connections=pools, pool_maxsize=_POOL_SIZE, max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, ssl_context=self._context, **kwargs)
        self.poolmanager.pool_classes_by_scheme = POOLS

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        tls = {"ssl_context": self._context, "proxy_ssl_context": self._context}
        manager = super().proxy_manager_for(proxy, **tls, **kwargs)
        manager.pool_classes_by_scheme = POOLS
        return manager

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """Do nothing: the context verifies; requests would add certifi's roots to its trust."""


def _hide_urls_in_logs() -> None:
    # urllib3 logs each request's path, which can hold an API key. A filter on its loggers keeps
    # those lines to requests that are not ours, and leaves handlers and levels to the program.
    for name in ("urllib3.connectionpool", "urllib3.connection"):
        logger = logging.getLogger(name)
        if _is_not_ours not in logger.filters:
            logger.addFilter(_is_not_ours)


def _is_not_ours(_record: logging.LogRecord) -> bool:
    return current_exchange.get(None) is None
