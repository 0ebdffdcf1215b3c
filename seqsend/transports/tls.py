"""Whom to trust on an https endpoint."""

import os
import ssl
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from seqsend.endpoints import split_url
from seqsend.errors import EndpointFailure, UsageError
from seqsend.models import Endpoint
from seqsend.transports.base import Exchange
from seqsend.transports.sockets import current_exchange, dial

CA_VARIABLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
"""In the order in which they are asked; an empty one counts as not set."""

_NO_CHECK_TIME = 0x200000  # X509_V_FLAG_NO_CHECK_TIME, openssl/x509_vfy.h
_GOOD = "a file that starts with -----BEGIN CERTIFICATE-----"


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a server presents itself with, as far as a person needs it."""

    names: tuple[str, ...]
    """The hosts it is for."""
    expires: float
    """In seconds since 1970."""


def note_certificate(secured: Any) -> None:
    """Note in the running exchange when the certificate of a socket with TLS expires."""
    found = _certificate(secured)
    current_exchange.get().tls_expires = found.expires if found else None


def presented_certificate(
    endpoint: Endpoint, cacert: str | None, exchange: Exchange
) -> Certificate | None:
    """Return the certificate of an endpoint that was refused for its age or its name.

    For a diagnosis only: shakes hands, verifying all the rest, says nothing and hangs up. None
    where that fails, too (no trust, or the way is through a proxy).
    """
    address = split_url(endpoint.url)
    token = current_exchange.set(exchange)
    try:
        context = trust(cacert, os.environ)
        context.check_hostname = False
        context.verify_flags |= _NO_CHECK_TIME
        sock = dial(address.host, address.port, [])
        exchange.enter("tls")
        with closing(sock):
            secured = context.wrap_socket(sock, server_hostname=address.host)  # type: ignore[arg-type]
            with closing(secured):
                return _certificate(secured)
    except (OSError, ValueError, EndpointFailure):
        return None
    finally:
        current_exchange.reset(token)


def _certificate(secured: Any) -> Certificate | None:
    found = secured.getpeercert() or {}
    if "notAfter" not in found:
        return None
    names = tuple(name for _, name in found.get("subjectAltName", ()))
    return Certificate(names, ssl.cert_time_to_seconds(found["notAfter"]))


def trust(cacert: str | None, environ: Mapping[str, str]) -> ssl.SSLContext:
    """Return the context that verifies a server's certificate and name.

    It trusts what ``cacert`` names (a PEM file, or a directory as `openssl rehash` makes it), else
    what the first of :data:`CA_VARIABLES` names, else the system's trust store.

    Raises:
        UsageError: what is named cannot be read or holds no certificate.

    """
    named = {"--cacert": cacert} | {name: environ.get(name) for name in CA_VARIABLES}
    source, path = next(((s, p) for s, p in named.items() if p), ("", None))
    if path is None:
        import truststore  # only where the system's store is asked

        return truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    is_directory = os.path.isdir(path)
    try:
        context.load_verify_locations(
            cafile=None if is_directory else path, capath=path if is_directory else None
        )
    except ssl.SSLError:
        raise UsageError(
            f"{source}: {path} holds no certificate in PEM form", example=_GOOD
        ) from None
    except OSError as error:
        why = (error.strerror or "cannot be read").lower()
        raise UsageError(f"{source}: {path}: {why}", example=_GOOD) from None
    return context
