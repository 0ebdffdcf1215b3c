"""Whom to trust on an https endpoint."""

import os
import ssl
from collections.abc import Mapping

from seqsend.errors import UsageError

CA_VARIABLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
"""In the order in which they are asked; an empty one counts as not set."""

_GOOD = "a file that starts with -----BEGIN CERTIFICATE-----"


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
        raise UsageError(f"{source}: {path} holds no certificate in PEM form", good=_GOOD) from None
    except OSError as error:
        why = (error.strerror or "cannot be read").lower()
        raise UsageError(f"{source}: {path}: {why}", good=_GOOD) from None
    return context
