"""A small file that is kept between runs: read with care, replaced whole, one run at a time.

It is never written in place or through a link: a run that is killed leaves the old file. A file
that is not plain, belongs to another user, or does not hold what it should is left as it is.
"""

import errno
import fcntl
import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from seqsend import waiting
from seqsend.errors import PersistenceError

_LARGEST = 1024 * 1024  # bytes; what seqsend writes is a hundredth of that
_POLLED_EVERY = 0.01  # seconds


def read(path: str) -> str | None:
    """Return what the file holds; None if it does not exist or is empty.

    Raises:
        PersistenceError: it cannot be used; the message says why, without the path.

    """
    found = _read(path)
    return None if found is None else found[0]


def replace(path: str, change: Callable[[str | None], str], *, mode: int, patience: float) -> None:
    """Replace the file's text with what ``change`` returns for it; see `read` for its argument.

    A new file gets ``mode``, less the umask; an existing one keeps its own. If another run has the
    lock, this waits up to ``patience`` seconds.

    Raises:
        PersistenceError: the file was not replaced, and nothing has changed; ``change`` may raise
            it, too.
        SignalReceived: a signal came while another run had the lock; nothing has changed.

    """
    directory, name = os.path.split(path)
    try:
        with _locked(directory or ".", patience):
            found = _read(path)
            text = change(found[0] if found else None)
            _write(
                os.path.join(directory, f".{name}.{os.urandom(6).hex()}"), path, text, found, mode
            )
    except OSError as error:
        raise _failed(error) from None


def _read(path: str) -> tuple[str | None, int] | None:
    """Return the text and the permissions of the file, or None if it does not exist."""
    # Without O_NONBLOCK, this would wait for the writer of a named pipe.
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        descriptor = os.open(path, flags)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _failed(error) from None
    try:
        about = os.fstat(descriptor)
        wrong = _judge(about)
        if wrong is not None:
            raise PersistenceError(wrong)
        # After a power cut the file can be there without its content: it counts as empty.
        return os.read(descriptor, _LARGEST).decode() or None, stat.S_IMODE(about.st_mode)
    except UnicodeDecodeError:
        raise PersistenceError("it is not text") from None
    except OSError as error:
        raise _failed(error) from None
    finally:
        os.close(descriptor)


def _judge(about: os.stat_result) -> str | None:
    """Return why an existing file must not be replaced; None if it may be."""
    if not stat.S_ISREG(about.st_mode):
        return "it is not a plain file"
    if about.st_uid != os.geteuid():
        return f"it belongs to another user (uid {about.st_uid})"
    # Not os.access: root can write to anything, but a read-only file is meant to stay as it is.
    if not about.st_mode & stat.S_IWUSR:
        return "it is read-only"
    if about.st_size >= _LARGEST:
        return f"it is far too large ({about.st_size} bytes)"
    return None


def _write(
    temporary: str, path: str, text: str, old: tuple[str | None, int] | None, mode: int
) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        descriptor = os.open(temporary, flags, mode)
        with open(descriptor, "w", encoding="utf-8") as file:
            if old is not None:
                os.fchmod(descriptor, old[1])
            file.write(text)
        os.replace(temporary, path)
    except BaseException:
        # Ctrl-C may come before the file is there, or after it was renamed.
        with suppress(FileNotFoundError):
            os.unlink(temporary)
        raise


@contextmanager
def _locked(directory: str, patience: float) -> Iterator[None]:
    """Hold the directory's lock: each change makes another file."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        until = time.monotonic() + patience
        while not _lock(descriptor):
            if time.monotonic() >= until:
                raise PersistenceError(
                    f"locked by another process for {patience:.2g} s", left=False
                )
            waiting.sleep(_POLLED_EVERY)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _failed(error: OSError) -> PersistenceError:
    if error.errno == errno.ELOOP:
        return PersistenceError("it is a symbolic link, which is not followed")
    return PersistenceError((error.strerror or type(error).__name__).lower(), left=False)
