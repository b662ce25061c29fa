"""Files and trees that are there whole or not at all, and survive a crash of the machine."""

import fcntl
import os
import shutil
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

UNFINISHED = ".unfinished-"
"""Prefix of what is being written, and cleared away where that was broken off. Serving takes numbers alone."""

_COPY_S = 24 * 3600.0


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Keeps other processes that write into a directory out. Made for the time of a write: who waits, blocks."""
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / ".lock").open("w") as lock:  # closing it, or dying, releases it
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def take_lock(file: IO[Any] | int) -> bool:
    """Takes the lock of an open file, until it is closed or the process dies; False where another process has it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def replace_files(contents: Mapping[Path, str]) -> None:
    """Puts files in the place of others, in their order: readers see old or new ones, never a part of one.

    All are written before the first is replaced, so a full disk changes nothing. The caller holds the directory's
    lock, so what a killed writer left behind is simply written over.

    Raises:
      OSError: the file that could not be replaced is as it was, and so are those after it.
    """
    try:
        for path, content in contents.items():
            with _unfinished(path).open("w") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        for path in contents:
            _unfinished(path).replace(path)
            sync(path.parent)
    finally:
        for path in contents:
            _unfinished(path).unlink(missing_ok=True)


def _unfinished(path: Path) -> Path:
    return path.with_name(f"{UNFINISHED}{path.name}")


def share(file: Path, target: Path) -> None:
    """Puts a file in the place of another, in one step and on disk, and leaves it where it is.

    Nothing is copied unless they lie on different file systems.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_name(f"{UNFINISHED}{uuid.uuid4().hex}")
    try:
        try:
            os.link(file, unfinished)
        except OSError:  # another file system, or one without links
            shutil.copyfile(file, unfinished)
        sync(unfinished)
        unfinished.replace(target)
        sync(target.parent)
    finally:
        unfinished.unlink(missing_ok=True)


def remove_copies(directory: Path) -> None:
    """Removes what killed calls of `share` left in a directory over a day ago; what is younger may still be written.

    It stops at what cannot be removed: the directory may be read-only by now, or its disk away.
    """
    with suppress(OSError):
        for copy in directory.glob(f"{UNFINISHED}*"):
            if copy.is_file() and time.time() - copy.stat().st_mtime > _COPY_S:
                copy.unlink()


def sync(path: Path) -> None:
    """Waits until a file, or the entries of a directory, are on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_tree(directory: Path) -> None:
    """Waits until a directory and all below it are on disk: what vouches for them must not outlive them."""
    for parent, _, files in os.walk(directory):
        for name in files:
            sync(Path(parent) / name)
        sync(Path(parent))
