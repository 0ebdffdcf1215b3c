"""Files with certificates and keys, read within bounds: OpenSSL would wait for a pipe for ever."""

import errno
import os
import stat
import time

from seqsend import waiting

_LARGEST = 16 * 1024 * 1024  # bytes; all authorities that a system trusts take half a MiB
_PATIENCE = 5.0  # seconds to wait for a pipe
_CHUNK = 64 * 1024


def is_plain(path: str) -> bool:
    """Return whether OpenSSL can read the file by its path, even repeatedly.

    Raises:
        OSError: it is not there.

    """
    return stat.S_ISREG(os.stat(path).st_mode)


def read(path: str) -> bytes:
    """Return what a file or a pipe (a shell's ``<(command)``) holds.

    Raises:
        OSError: it cannot be read, is above 16 MiB, or a pipe has not ended after 5 s.
        SignalReceived: a signal came.

    """
    until = time.monotonic() + _PATIENCE
    # Without O_NONBLOCK, a named pipe that nobody writes to would be waited for here.
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    try:
        data = bytearray()
        while chunk := _read_some(descriptor, until):
            data += chunk
            if len(data) > _LARGEST:
                raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
        return bytes(data)
    finally:
        os.close(descriptor)


def _read_some(descriptor: int, until: float) -> bytes:
    while True:
        try:
            return os.read(descriptor, _CHUNK)
        except BlockingIOError:
            left = max(0.0, until - time.monotonic())
            if not waiting.wait(descriptor, waiting.READ, left):
                raise OSError(errno.ETIMEDOUT, "nothing came from it in time") from None
