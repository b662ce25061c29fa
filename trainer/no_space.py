"""Tells a full disk from other trouble."""

import errno
import os

_WORDS = tuple(os.strerror(number) for number in (errno.ENOSPC, errno.EDQUOT))


def is_no_space(error: BaseException) -> bool:
    """Tells whether an error, or one that it comes from, says that the disk is full or a quota used up.

    By its words, since shutil.copytree, HDF5 and TensorFlow pass on what the system says, and not its number.
    """
    cause: BaseException | None = error
    while cause is not None:
        if any(words in str(cause) for words in _WORDS):
            return True
        cause = cause.__cause__ or cause.__context__
    return False
