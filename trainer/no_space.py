"""Tells a full disk from other trouble with files, and both from the rest."""

import errno
import os
from collections.abc import Iterator

from trainer.errors import DiskFullError, TrainerError

_NUMBERS = (errno.ENOSPC, errno.EDQUOT)
_WORDS = tuple(os.strerror(number) for number in _NUMBERS)


def told_if_full(error: BaseException) -> BaseException:
    """Returns what callers are told: of a full disk that it is full, of any other error the error itself."""
    if isinstance(error, DiskFullError) or not is_no_space(error):
        return error
    return DiskFullError("no space is left under the data root; free some, and try again")


def told_of_files(error: BaseException) -> BaseException:
    """Returns what callers are told who see no paths: as `told_if_full`, and why a file cannot be read or written."""
    told = told_if_full(error)
    if isinstance(told, OSError) and told.filename is not None:  # of connections and processes none is named
        return TrainerError(f"a file or directory cannot be read or written: {told.strerror}; the log names it")
    return told


def is_no_space(error: BaseException) -> bool:
    """Tells whether an error, or one that it comes from, says that the disk is full or a quota used up.

    By its number where it has one. Else by its words, since shutil.copytree, HDF5 and TensorFlow pass on no more than
    these.
    """
    return any(map(_says_so, causes(error)))


def causes(error: BaseException) -> Iterator[BaseException]:
    """Yields an error and those that it comes from, each once: they may go in a circle."""
    cause: BaseException | None = error
    seen: set[int] = set()
    while cause is not None and id(cause) not in seen:
        yield cause
        seen.add(id(cause))
        cause = cause.__cause__ or cause.__context__


def _says_so(error: BaseException) -> bool:
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno in _NUMBERS
    return any(words in str(error) for words in _WORDS)
