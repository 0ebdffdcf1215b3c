"""Files and stdin that may keep the program waiting: a signal ends the wait.

Python goes on with `open` and `read` after a signal whose handler raises nothing (PEP 475). The
handlers of a command raise nothing: a pipe that nobody writes to would hold the program for ever.
"""

import errno
import os
import stat

from seqsend import threads, waiting
from seqsend.units import format_size

_CHUNK = 64 * 1024
_LARGEST = 32 * 2**20  # bytes; no node takes parameters of a call that are longer


def open_to_read(path: str) -> int:
    """Return a descriptor of the file; for a named pipe, once another process writes to it.

    Raises:
        OSError: it cannot be opened.
        SignalReceived: a signal came.

    """
    flags = os.O_RDONLY | os.O_CLOEXEC
    if not stat.S_ISFIFO(os.stat(path).st_mode):
        return os.open(path, flags)
    with threads.Mailbox[int | OSError]() as opened:

        def open_it() -> None:
            try:
                opened.put(os.open(path, flags))
            except OSError as error:
                opened.put(error)

        try:
            threads.start(open_it, "seqsend-open")
        except RuntimeError:
            raise OSError(errno.EAGAIN, "this machine has no thread left") from None
        found = opened.take(None)
    if isinstance(found, OSError):
        raise found
    return found


def read_text(descriptor: int) -> str:
    """Return all text that can be read, as UTF-8.

    Raises:
        OSError: it cannot be read, or is far too large.
        UnicodeDecodeError: it is not UTF-8.
        SignalReceived: a signal came.

    """
    os.read(descriptor, 0)  # fails, instead of a wait, if it is open for writing only
    data = bytearray()
    while True:
        waiting.wait(descriptor, waiting.READ, None)
        try:
            chunk = os.read(descriptor, _CHUNK)
        except BlockingIOError:  # another process that shares the descriptor was faster
            continue
        if not chunk:
            return data.decode()
        data += chunk
        if len(data) > _LARGEST:
            raise OSError(errno.EFBIG, f"more than {format_size(_LARGEST)}")
