"""Files whose contents a process follows without a restart."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Generic, TypeVar

from transport.news import News

_T = TypeVar("_T")
_Stamp = tuple[tuple[int, int, int], ...]

Note = Callable[[str, bool], None]
"""Takes the names of files, and whether what they hold cannot be used, so that what they held before counts on."""

_logger = logging.getLogger(__name__)


class UnusableFileError(ValueError):
    """What a file holds cannot be used. Names the file, and nothing of what it holds."""


class Watched(Generic[_T]):
    """What some files hold together, read again when one of them has changed.

    Replacing a file by rename, as Kubernetes does with its secrets, counts as a change. Where the new contents cannot
    be used, which may be for the moment between the writing of two files, the last good ones stay. Any thread may ask.

    Args:
      paths: of the files.
      read: reads all of them; raises UnusableFileError or OSError.
      note: called when they have been read, or could not be.
      pause_s: least time between two looks at the files, in seconds.

    Raises:
      UnusableFileError: they cannot be used at the start.
    """

    def __init__(self, paths: Sequence[Path], read: Callable[[], _T], note: Note, pause_s: float = 1.0) -> None:
        self._paths = paths
        self._names = ", ".join(map(str, paths))
        self._read = read
        self._note = note
        self._pause_s = pause_s
        self._lock = threading.Lock()
        self._news = News()
        try:
            self._stamp = self._look()
            self._contents = read()
        except OSError as err:
            raise UnusableFileError(f"{err.filename} cannot be read: {err.strerror}") from err
        self._next_look_s = time.monotonic() + pause_s
        note(self._names, False)

    def get(self) -> _T:
        """Returns the contents: the same object until they have changed."""
        with self._lock:
            now_s = time.monotonic()
            if now_s >= self._next_look_s:
                self._next_look_s = now_s + self._pause_s
                self._renew()
            return self._contents

    def _renew(self) -> None:
        try:
            # Before the reading: a change in its midst is found by the next look.
            stamp = self._look()
            if stamp == self._stamp:
                return
            self._stamp = stamp
            self._contents = self._read()
        except (OSError, UnusableFileError) as err:
            self._stamp = ()
            self._note(self._names, True)
            if self._news.is_news(str(err)):
                _logger.error("changed file is not used", extra={"files": self._names, "problem": str(err)})
        else:
            self._news.is_news("")
            self._note(self._names, False)
            _logger.info("file read again", extra={"files": self._names})

    def _look(self) -> _Stamp:
        found = [path.stat() for path in self._paths]
        # Not st_mtime_ns: whoever copies a file may give it that of its original.
        return tuple((state.st_ctime_ns, state.st_ino, state.st_size) for state in found)
