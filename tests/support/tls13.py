"""A TLS 1.3 server that makes its own records, to repeat what no library lets a server repeat.

The ssl module does the handshake; its key log gives the secret from which the keys of the records
are derived (RFC 8446, section 7). `Records` seals what a server sends after the handshake.
"""

import hashlib
import hmac
import os
import socket
import ssl
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tests.support.servers import Server

HANDSHAKE, APPLICATION_DATA = 22, 23

KEY_UPDATE = b"\x18\x00\x00\x01\x00"  # section 4.6.3; requests no answer
_TICKET_BODY = (
    b"\x00\x00\x0e\x10"  # lifetime, an hour
    b"\x00\x00\x00\x00"  # age add
    b"\x01\x00"  # nonce
    b"\x00\x01t"  # the ticket
    b"\x00\x00"  # no extensions
)
SESSION_TICKET = b"\x04" + len(_TICKET_BODY).to_bytes(3, "big") + _TICKET_BODY  # section 4.6.1

_HASH, _HASH_SIZE, _KEY_SIZE = hashlib.sha384, 48, 32  # TLS_AES_256_GCM_SHA384


class Records:
    """Seals the server's records of one connection, after the handshake."""

    def __init__(self, secret: bytes) -> None:
        """``secret`` is SERVER_TRAFFIC_SECRET_0 from the key log."""
        self._secret = secret
        self._start()

    def _start(self) -> None:
        self._aead = AESGCM(_expand(self._secret, "key", _KEY_SIZE))
        self._iv = int.from_bytes(_expand(self._secret, "iv", 12), "big")
        self._sent = 0

    def seal(self, kind: int, content: bytes) -> bytes:
        """Return a record (section 5.2)."""
        inner = content + bytes([kind])
        header = b"\x17\x03\x03" + (len(inner) + 16).to_bytes(2, "big")
        nonce = (self._iv ^ self._sent).to_bytes(12, "big")
        self._sent += 1
        return header + self._aead.encrypt(nonce, inner, header)

    def update_key(self) -> bytes:
        """Return the record that announces the next key, and use that key from now on."""
        record = self.seal(HANDSHAKE, KEY_UPDATE)
        self._secret = _expand(self._secret, "traffic upd", _HASH_SIZE)
        self._start()
        return record


def _expand(secret: bytes, label: str, size: int) -> bytes:
    """HKDF-Expand-Label of section 7.1, for up to one block of the hash."""
    name = b"tls13 " + label.encode()
    info = size.to_bytes(2, "big") + bytes([len(name)]) + name + b"\0"
    return hmac.new(secret, info + b"\x01", _HASH).digest()[:size]


class ByHand(Server):
    """Does a TLS 1.3 handshake, and then sends its own records."""

    def __init__(self, context: ssl.SSLContext, log: Path) -> None:
        """Serve one connection; ``log`` is a file that does not exist yet."""
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.num_tickets = 0  # a record sent by the ssl module would use up a number of ours
        context.keylog_filename = str(log)
        super().__init__(tls=context)
        self._log = log

    def serve(self, connection: ssl.SSLSocket, records: Records) -> None:
        """Read from the connection, and `write` what ``records`` seals."""
        raise NotImplementedError

    def write(self, connection: ssl.SSLSocket, record: bytes) -> None:
        """Send a sealed record."""
        with socket.socket(fileno=os.dup(connection.fileno())) as raw:
            raw.settimeout(10)
            raw.sendall(record)

    def handle(self, connection: socket.socket) -> None:
        """Find the secret in the key log, then serve."""
        assert isinstance(connection, ssl.SSLSocket)
        cipher = connection.cipher()
        assert cipher is not None
        assert cipher[0] == "TLS_AES_256_GCM_SHA384"
        lines = [line.split() for line in self._log.read_text().splitlines()]
        secret = next(bytes.fromhex(w[2]) for w in lines if w[:1] == ["SERVER_TRAFFIC_SECRET_0"])
        self.serve(connection, Records(secret))


class Flooding(ByHand):
    """Reads the request, then sends records without data endlessly: "tickets" or "key updates"."""

    def __init__(self, context: ssl.SSLContext, log: Path, what: str) -> None:
        super().__init__(context, log)
        self._what = what
        self.records = 0
        """How many times it has sent records."""

    def serve(self, connection: ssl.SSLSocket, records: Records) -> None:
        """Read, then flood."""
        connection.recv(65536)
        while not self._stopped.is_set():
            self.write(connection, self._next(records))
            self.records += 1
            self._stopped.wait(0.001)  # else this thread keeps the client's from running

    def _next(self, records: Records) -> bytes:
        if self._what == "tickets":
            return records.seal(HANDSHAKE, SESSION_TICKET * 800)
        return b"".join(records.update_key() for _ in range(100))
