"""The UNIX socket's file."""

import os
import secrets
from contextlib import suppress
from pathlib import Path


class SocketFile:
    """A place in the file system where the next server may put its socket over this one's.

    gRPC removes the file that it bound when it stops, though it may be its successor's by then: who moves from one
    server to the next would find no socket. So gRPC binds another name, and the file is moved from there.

    Args:
      path: where clients look for it; relative to the working directory.
    """

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self.bound = Path(os.path.dirname(path), f".{secrets.token_hex(3)}")  # noqa: PTH120 of "/" and "" too
        """What gRPC has to bind."""
        self._identity: tuple[int, int] | None = None

    def place(self) -> None:
        """Moves what was bound to its path. A socket that is there goes, in use or not, as it does by gRPC.

        Raises:
          OSError: something else is there. Nothing is left of what was bound.
        """
        try:
            if self._path.exists() and not self._path.is_socket():
                raise FileExistsError(f"{self._path} is no socket")
            self._identity = _identity(self.bound)
            self.bound.replace(self._path)
        except OSError:
            self.bound.unlink(missing_ok=True)
            raise

    def remove(self) -> None:
        """Removes it, if it was placed and none has been put over it."""
        with suppress(OSError):  # gone is as good
            if self._identity and _identity(self._path) == self._identity:
                self._path.unlink()


def _identity(path: Path) -> tuple[int, int]:
    status = path.lstat()
    return status.st_dev, status.st_ino
