"""HTTP and HTTPS endpoints, over urllib3's pools of kept-alive connections.

They are used without requests on top: a `requests.Session` would read ~/.netrc, keep cookies and
follow redirects, which is all unwanted here, and importing it takes a quarter of the time of a
short run. No message of urllib3 leaves this module, because its messages quote the URL.
"""

import http.client
import io
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from urllib3 import HTTPHeaderDict, Retry
from urllib3.exceptions import DecodeError, HTTPError

from seqsend.errors import EndpointFailure
from seqsend.models import Endpoint, Reply
from seqsend.transports.base import Exchange
from seqsend.transports.connections import Route, Trust, routes_to
from seqsend.transports.failures import failure_of, timeout_failure
from seqsend.transports.http_pools import HttpPool, current_exchange, hide_urls_in_logs
from seqsend.transports.pages import in_utf8
from seqsend.units import format_size
from seqsend.version import __version__

_CHUNK = 64 * 1024  # bytes of a body that are inflated at once
_LONGEST_ERROR_BODY = 64 * 1024  # bytes read of an error status: enough for any JSON-RPC error
_CODINGS = frozenset(("gzip", "x-gzip", "deflate"))
_NO_RETRIES = Retry(False)

_FOREIGN = (HTTPError, http.client.HTTPException, OSError, ValueError, MemoryError)


class HttpTransport:
    """Posts to ``http://`` and ``https://`` endpoints; safe to share between threads."""

    def __init__(
        self,
        endpoints: Sequence[Endpoint],
        headers: Mapping[int, Mapping[str, str]],
        *,
        max_response_size: int,
        cacert: str | None = None,
        client_cert: str | None = None,
        client_key: str | None = None,
    ) -> None:
        """Prepare everything that is the same for every call; nothing is dialled yet.

        Proxies and CA files are read from the environment here, once. ``headers`` are by the
        endpoint's index; ``max_response_size`` is in bytes, after decompression.

        Raises:
            UsageError: a proxy's URL, a CA file, a client certificate or its key cannot be used.

        """
        files = Trust(cacert, client_cert, client_key)
        routes = routes_to(tuple(endpoints), files, os.environ)
        self._limit = max_response_size
        self._peers = {index: _Peer(r, headers.get(index, {})) for index, r in routes.items()}
        hide_urls_in_logs()

    def exchange(self, endpoint: Endpoint, body: bytes, exchange: Exchange) -> Reply:
        """Post ``body`` once. See `seqsend.transports.base.Transport.exchange`."""
        peer = self._peers[endpoint.index]
        return self._carry(peer, "POST", peer.target, body, exchange)

    def fetch(self, endpoint: Endpoint, path: str, exchange: Exchange) -> Reply:
        """Get what is at ``path``. See `seqsend.transports.base.Fetching.fetch`."""
        peer = self._peers[endpoint.index]
        return self._carry(peer, "GET", peer.target_below(path), None, exchange)

    def close(self) -> None:
        """Close every connection that was kept alive."""
        for peer in self._peers.values():
            peer.pool.close()

    def _carry(
        self, peer: "_Peer", method: str, target: str, body: bytes | None, exchange: Exchange
    ) -> Reply:
        token = current_exchange.set(exchange)
        try:
            raw = peer.pool.urlopen(
                method,
                target,
                body,
                peer.headers,
                retries=_NO_RETRIES,
                redirect=False,
                assert_same_host=False,
                preload_content=False,
                decode_content=False,
            )
            try:
                return self._reply(peer.route, raw, exchange)
            finally:
                # A connection whose answer was read to the end is back in the pool already, out of
                # reach of close(); any other is useless now.
                raw.close()
                raw.release_conn()
        except _FOREIGN as error:
            # From None: a traceback must not show the library's message, with the URL in it.
            raise _failure(error) from None
        finally:
            exchange.leave()
            current_exchange.reset(token)

    def _reply(self, route: Route, raw: Any, exchange: Exchange) -> Reply:
        if raw.status == 407 and route.is_forwarded:
            exchange.written = False
            exchange.enter("proxy")
            raise EndpointFailure("the proxy refused the request: HTTP 407", "proxy_refused")
        if 200 <= raw.status < 300:
            body = read_body(raw, exchange.bound(self._limit), exchange)
        else:
            body = b"" if 300 <= raw.status < 400 else read_start(raw, exchange)
        said = raw.headers
        content_type = said.get("content-type")
        return Reply(
            raw.status,
            in_utf8(body, content_type),
            location=said.get("location"),
            retry_after=said.get("retry-after"),
            content_type=content_type,
        )


class _Peer:
    """One endpoint: its route, the headers of every request to it, and its idle connections."""

    def __init__(self, route: Route, headers: Mapping[str, str]) -> None:
        self.route = route
        address = route.address
        self._origin = f"http://{address.authority}" if route.is_forwarded else ""
        self.target = f"{self._origin}{address.target}"
        sent = HTTPHeaderDict(
            {
                "Host": address.authority,
                "User-Agent": f"seqsend/{__version__}",
                "Accept": "application/json",
                "Accept-Encoding": "gzip, deflate",
                "Content-Type": "application/json",
            }
        )
        if address.authorization is not None:
            sent["Authorization"] = address.authorization
        if route.is_forwarded and route.proxy is not None and route.proxy.authorization is not None:
            sent["Proxy-Authorization"] = route.proxy.authorization
        sent.update(headers)  # each of the user's replaces ours
        self.headers = dict(sent)
        self.pool = HttpPool(route)

    def target_below(self, path: str) -> str:
        """Return the request target for ``path``, below the endpoint's own path."""
        address = self.route.address
        query = f"?{address.query}" if address.query else ""
        return f"{self._origin}{address.path.rstrip('/')}/{path}{query}"


def read_body(raw: Any, limit: int, exchange: Exchange) -> bytes:
    """Return the whole body of urllib3's response ``raw``, inflated.

    Raises:
        EndpointFailure: it is larger than ``limit`` bytes, or the deadline passed.
        urllib3.exceptions.HTTPError: it was cut off, or cannot be inflated.

    """
    # A BytesIO grows by an eighth at a time and returns its bytes without a copy: joining a list of
    # pieces would need twice as much memory.
    whole = io.BytesIO()
    for piece in _pieces(raw, exchange):
        if whole.tell() + len(piece) > limit:
            raise EndpointFailure(
                f"answer larger than {format_size(limit)}", "too_large", raw.status
            )
        whole.write(piece)
    return whole.getvalue()


def read_start(raw: Any, exchange: Exchange) -> bytes:
    """Return the start of the body of a failing status, at most 64 KiB.

    Errors while reading it are not reported: the status alone makes this an outage.
    """
    start = bytearray()
    with suppress(EndpointFailure, HTTPError, http.client.HTTPException, OSError, ValueError):
        for piece in _pieces(raw, exchange):
            start += piece
            if len(start) > _LONGEST_ERROR_BODY:
                break
    return bytes(start[:_LONGEST_ERROR_BODY])


def _pieces(raw: Any, exchange: Exchange) -> Iterator[bytes]:
    """Yield the body as it comes, each piece inflated to no more than 64 KiB."""
    is_coded = _settle_coding(raw.headers)
    while piece := raw.read1(_CHUNK, decode_content=True):
        yield piece
        if not is_coded and raw.length_remaining == 0:
            return
        # A few bytes may inflate to many: that work, too, must end by the deadline.
        if is_coded and exchange.deadline.remaining <= 0:
            raise timeout_failure(exchange)


def _settle_coding(headers: Any) -> bool:
    """Return whether a body must be inflated; one that was compressed twice is refused.

    Of each step of inflating, only the outer layer is bounded: an inner one could keep urllib3 busy
    without end.
    """
    given = headers.get("content-encoding")
    if given is None:
        return False
    codings = [coding.strip().lower() for coding in given.split(",")]
    applied = [coding for coding in codings if coding not in ("", "identity")]
    if len(applied) > 1 or not _CODINGS.issuperset(applied):
        raise DecodeError
    headers["content-encoding"] = "".join(applied)
    return bool(applied)


def _failure(error: BaseException) -> EndpointFailure:
    """Return what ended an exchange, in our own words: the libraries' messages hold the URL."""
    if isinstance(error, DecodeError):
        return EndpointFailure("answer could not be decompressed", "not_http")
    if isinstance(error, HTTPError) and error.args and isinstance(error.args[-1], Exception):
        return failure_of(error.args[-1])  # the error that urllib3 wrapped
    return failure_of(error)
