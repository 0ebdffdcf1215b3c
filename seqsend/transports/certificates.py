"""The certificate of a server that was refused, for a diagnosis."""

import ssl
from collections.abc import Mapping
from contextlib import closing

from seqsend.errors import EndpointFailure, UsageError
from seqsend.models import Endpoint
from seqsend.transports.base import Exchange
from seqsend.transports.connections import Trust, connect, routes_to
from seqsend.transports.secure import SecureChannel
from seqsend.transports.tls import Certificate, read_certificate

_NO_CHECK_TIME = 0x200000  # X509_V_FLAG_NO_CHECK_TIME, openssl/x509_vfy.h


def presented_certificate(
    endpoint: Endpoint, files: Trust, environ: Mapping[str, str], exchange: Exchange
) -> Certificate | None:
    """Return the certificate of an endpoint that was refused for its age or its name.

    Connects as a request would, through a proxy if one is set, verifies everything else, sends
    nothing and closes. Returns None if that fails, too.

    Raises:
        SignalReceived: a signal came.

    """
    try:
        route = routes_to((endpoint,), files, environ)[endpoint.index]
        if route.context is None:
            return None
        route.context.check_hostname = False
        route.context.verify_flags |= ssl.VerifyFlags(_NO_CHECK_TIME)
        with closing(connect(route, exchange)) as channel:
            return read_certificate(channel) if isinstance(channel, SecureChannel) else None
    except (ValueError, EndpointFailure, UsageError):
        return None
