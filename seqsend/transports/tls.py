"""TLS contexts, with trusted authorities and client certificate, and the handshake."""

import os
import ssl
from collections.abc import Mapping
from typing import Any, NamedTuple

from seqsend.errors import EndpointFailure, UsageError
from seqsend.redaction import redact_value
from seqsend.transports import pem_files
from seqsend.transports.secure import SecureChannel
from seqsend.transports.sockets import Channel

CA_VARIABLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
"""In order of precedence; an empty one counts as not set."""

_GOOD = "a file that starts with -----BEGIN CERTIFICATE-----"
_GOOD_KEY = "a file that starts with -----BEGIN PRIVATE KEY-----"
_UNKNOWN_ISSUER = (18, 19, 20, 21)  # X509_V_ERR_… of openssl/x509_vfy.h


class Certificate(NamedTuple):
    """The part of a server's certificate that a user needs."""

    names: tuple[str, ...]
    """The host names that it covers."""
    expires: float
    """In seconds since 1970."""


def read_certificate(channel: SecureChannel) -> Certificate | None:
    """Return the certificate of the peer; None if it was not verified."""
    found = channel.certificate
    if "notAfter" not in found:
        return None
    names = tuple(name for _, name in found.get("subjectAltName", ()))
    return Certificate(names, ssl.cert_time_to_seconds(found["notAfter"]))


def secure(channel: Channel, context: ssl.SSLContext, server_name: str) -> SecureChannel:
    """Return TLS over ``channel``, after the handshake.

    Raises:
        EndpointFailure: this machine has no certificate authorities, or the deadline passed.
        OSError: the handshake failed otherwise.

    """
    secured = SecureChannel(channel, context, server_name)
    try:
        secured.handshake()
    except ssl.SSLCertVerificationError as error:
        if error.verify_code in _UNKNOWN_ISSUER and _trusts_nobody(context):
            raise EndpointFailure(
                "certificate not trusted: this machine has no certificate authorities",
                "tls_no_authorities",
            ) from None
        raise
    return secured


def _trusts_nobody(context: Any) -> bool:
    """Return whether ``context`` uses the system's trust store, and the store is empty."""
    system = getattr(context, "_ctx", None)  # truststore's; it does not count them itself
    if system is None or system.cert_store_stats()["x509_ca"]:
        return False
    directory: str | None = ssl.get_default_verify_paths().capath  # None if it is not there
    return not directory or not os.listdir(directory)


def trust(
    cacert: str | None,
    environ: Mapping[str, str],
    client_cert: str | None = None,
    client_key: str | None = None,
) -> ssl.SSLContext:
    """Return the context that verifies a server's certificate and name.

    It trusts what ``cacert`` names (a PEM file, or a directory as `openssl rehash` makes it), else
    what the first of :data:`CA_VARIABLES` names, else the system's trust store. To a server that
    asks for one it shows the certificate in ``client_cert``, whose key is in ``client_key``, or in
    the same file.

    Raises:
        UsageError: a file cannot be read, or does not hold what it should.

    """
    check_paths(cacert, client_cert, client_key)
    named = {"--cacert": cacert} | {name: environ.get(name) for name in CA_VARIABLES}
    source, path = next(((s, p) for s, p in named.items() if p), ("", None))
    if path is None:
        import truststore  # only for the system's store

        context: ssl.SSLContext = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    else:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        _load_authorities(context, source, path)
    if client_cert is not None:
        _load_client(context, client_cert, client_key)
    return context


def check_paths(cacert: str | None, client_cert: str | None, client_key: str | None) -> None:
    """Check that no given path is empty, and that a key comes with its certificate.

    Raises:
        UsageError: a path is empty, or there is a key without a certificate.

    """
    given = {"--cacert": cacert, "--client-cert": client_cert, "--client-key": client_key}
    for option, path in given.items():
        if path == "":
            raise UsageError(f"{option} is empty", example=f"{option} /etc/ssl/{option[2:]}.pem")
    if client_key is not None and client_cert is None:
        raise UsageError(
            "--client-key is given without --client-cert",
            example="--client-cert client.pem --client-key client.key",
        )


def _load_authorities(context: ssl.SSLContext, source: str, path: str) -> None:
    try:
        if os.path.isdir(path):
            context.load_verify_locations(capath=path)
        elif pem_files.is_plain(path):
            context.load_verify_locations(cafile=path)
        else:
            _check_label(content := pem_files.read(path), path, source, "CERTIFICATE", _GOOD)
            # It must be ASCII, but comments in the file may be in any script.
            context.load_verify_locations(cadata=content.decode("ascii", errors="ignore"))
    except ssl.SSLError:
        raise UsageError(
            f"{source}: {redact_value(path)} holds no certificate in PEM form", example=_GOOD
        ) from None
    except OSError as error:
        raise _unreadable(source, path, error, _GOOD) from None


def _load_client(context: ssl.SSLContext, certificate: str, key: str | None) -> None:
    _check_file(certificate, "--client-cert", "CERTIFICATE", _GOOD)
    source, path = ("--client-key", key) if key is not None else ("--client-cert", certificate)
    # With one option for both, the file may hold the certificate without its key.
    _check_file(path, source, "PRIVATE KEY", _GOOD_KEY)
    try:
        context.load_cert_chain(certificate, path, password=_no_passphrase)
    except _EncryptedKeyError:
        raise UsageError(
            f"{source}: the key in {redact_value(path)} is encrypted",
            example="a key without a passphrase",
        ) from None
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            problem = f"{source}: {redact_value(path)} holds the key of another certificate"
        else:
            problem = f"{source}: certificate or key cannot be read ({redact_value(path)})"
        raise UsageError(problem, example="the key of the certificate in --client-cert") from None


def _check_file(path: str, source: str, label: str, example: str) -> None:
    """Check that a file holds PEM of that ``label``: OpenSSL does not say what is missing."""
    try:
        # A pipe can be read only once, and OpenSSL must read it, too.
        if not (pem_files.is_plain(path) or os.path.isdir(path)):
            raise UsageError(f"{source}: {redact_value(path)} is not a plain file", example=example)
        content = pem_files.read(path)
    except OSError as error:
        raise _unreadable(source, path, error, example) from None
    _check_label(content, path, source, label, example)


def _check_label(content: bytes, path: str, source: str, label: str, example: str) -> None:
    if f"{label}-----".encode() not in content:
        what = label.lower()
        raise UsageError(
            f"{source}: {redact_value(path)} holds no {what} in PEM form", example=example
        )


def _unreadable(source: str, path: str, error: OSError, example: str) -> UsageError:
    why = (error.strerror or "cannot be read").lower()
    return UsageError(f"{source}: {redact_value(path)}: {why}", example=example)


class _EncryptedKeyError(ValueError):
    """OpenSSL asks for a passphrase: nobody is there to type it."""


def _no_passphrase() -> str:
    raise _EncryptedKeyError
