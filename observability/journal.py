"""Files of lines that nobody else may tear: audit logs."""

import contextlib
import errno
import fcntl
import os
import time
from pathlib import Path

_NEW_FILE_MODE = 0o640
_LOOK_AGAIN_S = 0.001


def append(path: Path, lines: bytes, *, durably: bool = False, patience_s: float = 1.0) -> None:
    """Appends whole lines to a file that other processes append to as well: all of them, or nothing.

    Args:
      path: of the file; its directory exists.
      lines: each with its line end.
      durably: whether to wait until they are on disk; else they survive the death of the process, not a loss of power.
      patience_s: time to wait until the others have written theirs, in seconds.

    Raises:
      OSError: they cannot be written; its `strerror` is fit for logs.
    """
    # Opened anew each time: whoever rotates the file by renaming it needs to tell nobody.
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, _NEW_FILE_MODE)
    try:
        _lock(descriptor, patience_s)
        size = os.fstat(descriptor).st_size
        # A process that was killed in mid-write has left the beginning of a line: it gets a line of its own.
        torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
        rest = memoryview(b"\n" + lines if torn else lines)
        try:
            while rest:
                rest = rest[os.write(descriptor, rest) :]
            if durably:
                os.fsync(descriptor)
        except OSError:
            with contextlib.suppress(OSError):  # the first error says more
                os.ftruncate(descriptor, size)
            raise
    finally:
        os.close(descriptor)


def _lock(descriptor: int, patience_s: float) -> None:
    # Not left to the kernel, which waits for ever where somebody sits on the lock.
    deadline = time.monotonic() + patience_s
    while not _take(descriptor):
        if time.monotonic() > deadline:
            raise OSError(errno.EBUSY, f"Somebody else holds its lock for over {patience_s:g} s")
        time.sleep(_LOOK_AGAIN_S)


def _take(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
