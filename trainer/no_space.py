"""Tells what is used up, such as a disk, from other trouble with files, and both from the rest."""

import errno
import os
from collections.abc import Iterator

from trainer.errors import DiskFullError, OutOfMemoryError, SystemLimitError, TrainerError

_FULL = (errno.ENOSPC, errno.EDQUOT)
_AT_LIMIT = (errno.EMFILE, errno.ENFILE, errno.EAGAIN)
"""The last is what a process gets that may start no other."""


def told_if_used_up(error: BaseException) -> BaseException:
    """Returns what callers are told: of what is used up that it is, of any other error the error itself."""
    if isinstance(error, DiskFullError | SystemLimitError | OutOfMemoryError):
        return error
    if _says(error, _FULL):
        return DiskFullError("no space is left under the data root; free some, and try again")
    if _says(error, _AT_LIMIT):
        return SystemLimitError("no more files can be opened, or processes started; raise that limit, or try again")
    if _says(error, (errno.ENOMEM,)):
        return OutOfMemoryError("no memory is left; free some, and try again")
    return error


def told_of_files(error: BaseException) -> BaseException:
    """Returns what callers are told who see no paths: as `told_if_used_up`, and why a file cannot be used."""
    told = told_if_used_up(error)
    if isinstance(told, OSError) and told.filename is not None:  # of connections and processes none is named
        return TrainerError(f"a file or directory cannot be read or written: {told.strerror}; the log names it")
    return told


def is_no_space(error: BaseException) -> bool:
    """Tells whether an error, or one that it comes from, says that the disk is full or a quota used up."""
    return _says(error, _FULL)


def causes(error: BaseException) -> Iterator[BaseException]:
    """Yields an error and those that it comes from, each once: they may go in a circle."""
    cause: BaseException | None = error
    seen: set[int] = set()
    while cause is not None and id(cause) not in seen:
        yield cause
        seen.add(id(cause))
        cause = cause.__cause__ or cause.__context__


def _says(error: BaseException, numbers: tuple[int, ...]) -> bool:
    """Whether an error, or one that it comes from, is of these numbers of the system.

    By its number where it has one. Else by its words, since shutil.copytree, HDF5 and TensorFlow pass on no more than
    these.
    """
    words = tuple(os.strerror(number) for number in numbers)
    return any(
        cause.errno in numbers
        if isinstance(cause, OSError) and cause.errno is not None
        else any(word in str(cause) for word in words)
        for cause in causes(error)
    )
