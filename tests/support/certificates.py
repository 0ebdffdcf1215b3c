"""Certificates that a client must accept, and others that it must refuse."""

import datetime as dt
import ssl
from pathlib import Path
from typing import Literal

import trustme

Kind = Literal["good", "expired", "not yet", "other host", "stranger", "self-signed"]
"""``stranger`` is signed by an authority that the client does not know."""

_DAY = dt.timedelta(days=1)


class Authority:
    """A certificate authority, and its certificate as a file."""

    def __init__(self, directory: Path) -> None:
        """Create the authority, with its certificate in ``directory``."""
        self._ca, self._unknown = trustme.CA(), trustme.CA()
        self._directory = directory
        self.pem = str(directory / "ca.pem")
        self._ca.cert_pem.write_to_path(self.pem)

    def issue(self, kind: Kind = "good") -> trustme.LeafCert:
        """Return a certificate for 127.0.0.1 and localhost, or one with a single fault."""
        now = dt.datetime.now(dt.UTC)
        if kind == "stranger":
            return self._unknown.issue_cert("127.0.0.1", "localhost")
        if kind == "other host":
            return self._ca.issue_cert("other.example")
        ages = {"good": (-1, 30), "expired": (-30, -1), "not yet": (1, 30)}
        first, last = ages[kind]
        return self._ca.issue_cert(
            "127.0.0.1", "localhost", not_before=now + first * _DAY, not_after=now + last * _DAY
        )

    def context(self, kind: Kind = "good") -> ssl.SSLContext:
        """Return the TLS context of a server with a certificate of this kind."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        if kind == "self-signed":
            own = self._unknown
            with own.private_key_pem.tempfile() as key, own.cert_pem.tempfile() as certificate:
                context.load_cert_chain(certificate, key)
        else:
            self.issue(kind).configure_cert(context)
        return context

    def context_for(self, *names: str) -> ssl.SSLContext:
        """Return the TLS context of a server whose certificate is for ``names``."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._ca.issue_cert(*names).configure_cert(context)
        return context

    def files(self) -> tuple[Path, Path]:
        """Return a good certificate's chain and its private key, as files."""
        made = self.issue()
        chain, key = self._directory / "chain.pem", self._directory / "key.pem"
        chain.write_bytes(b"".join(blob.bytes() for blob in made.cert_chain_pems))
        made.private_key_pem.write_to_path(str(key))
        return chain, key
