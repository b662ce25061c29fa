"""Paths that callers send: relative to the data root, and never outside it."""

import os
from pathlib import Path, PurePosixPath

from trainer.errors import InvalidFieldError

MAX_PATH_LENGTH = 1024
"""Longest path, in characters."""

MANIFEST = "manifest.csv"
"""Name of the file beside a data set that says what became of each image."""

_MAX_NAME_BYTES = 255
"""Longest file name of the usual file systems."""


def inside(root: Path, path: str, field: str) -> Path:
    """Returns the absolute path that a caller's path leads to, with symlinks resolved.

    Args:
      root: the data root.
      path: as the caller sent it. Nothing needs to be there.
      field: of the request, for the error.

    Raises:
      InvalidFieldError: the path is empty, absolute or too long, holds `..` or a character that no path holds, or
        leads out of the root through a symlink.
    """
    _check_text(path, field)
    if path.startswith("/"):
        raise InvalidFieldError(f"{field} is absolute; give it relative to the data root", field)
    if ".." in PurePosixPath(path).parts:
        raise InvalidFieldError(f"{field} holds '..'; give the path below the data root without it", field)
    try:
        base = root.resolve()
        resolved = (base / path).resolve()
    except (OSError, RuntimeError) as err:  # a loop of symlinks is a RuntimeError
        raise InvalidFieldError(f"{field} cannot be followed; does it hold a loop of links?", field) from err
    if not resolved.is_relative_to(base):
        raise InvalidFieldError(f"{field} leads out of the data root through a link; copy the files into it", field)
    return resolved


def require_name(name: str, field: str) -> None:
    """Checks that a caller's file name is one name and no path.

    Raises:
      InvalidFieldError: it is empty, too long, hidden, or holds a separator or a character that no name holds.
    """
    _check_text(name, field)
    if "/" in name or "\\" in name:
        raise InvalidFieldError(f"{field} is the name of a file, without directories", field)
    if name.startswith("."):
        raise InvalidFieldError(f"{field} begins with a dot; choose a name that is not hidden", field)


def _check_text(path: str, field: str) -> None:
    if not path.strip():
        raise InvalidFieldError(f"{field} is empty", field)
    if not path.isprintable():
        raise InvalidFieldError(f"{field} holds a NUL or another character that no path should", field)
    try:
        os.fsencode(path)
    except UnicodeEncodeError as err:
        told = f"{field} holds {path[err.start]!r}, which is in no file name here; run the trainer with LANG=C.UTF-8"
        raise InvalidFieldError(told, field) from err
    if len(path) > MAX_PATH_LENGTH:
        raise InvalidFieldError(f"{field} has {len(path)} characters; {MAX_PATH_LENGTH} is the limit", field)
    if any(len(part.encode()) > _MAX_NAME_BYTES for part in path.split("/")):
        raise InvalidFieldError(f"{field} holds a name beyond {_MAX_NAME_BYTES} bytes", field)
