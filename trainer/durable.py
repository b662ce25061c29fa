"""Files that are replaced whole, and survive a crash of the machine."""

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

UNFINISHED = ".unfinished-"
"""Prefix of what is being written, and cleared away where that was broken off. Serving takes numbers alone."""


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Keeps other processes that write into a directory out. Made for the moment of a write: who waits, blocks."""
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / ".lock").open("w") as lock:  # closing it, or dying, releases it
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def replace_files(contents: Mapping[Path, str]) -> None:
    """Puts files in the place of others, in their order: readers see old or new ones, never a part of one.

    All are written before the first is replaced, so a full disk changes nothing. The caller holds the directory's
    lock, so what a killed writer left behind is simply written over.

    Raises:
      OSError: nothing was replaced.
    """
    try:
        for path, content in contents.items():
            with _unfinished(path).open("w") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
    except OSError:
        for path in contents:
            _unfinished(path).unlink(missing_ok=True)
        raise
    for path in contents:
        _unfinished(path).replace(path)
        sync(path.parent)


def _unfinished(path: Path) -> Path:
    return path.with_name(f"{UNFINISHED}{path.name}")


def sync(path: Path) -> None:
    """Waits until a file, or the entries of a directory, are on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
