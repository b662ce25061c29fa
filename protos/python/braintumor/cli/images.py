"""The image files that paths lead to."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

SUFFIXES = frozenset(
    {".bmp", ".dib", ".gif", ".jfif", ".jpe", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"},
)
"""Files of a folder that count as images, by suffix in lower case; a file that is named itself always does."""


def iter_images(paths: Sequence[Path]) -> Iterator[Path]:
    """Yields the files among the paths and the images below the folders, in a stable order.

    Holds the names of one folder at a time, so that a tree may be of any size.

    Raises:
      OSError: a folder cannot be listed.
    """
    for path in paths:
        if path.is_dir():
            yield from _below(path)
        else:
            yield path


def common_folder(paths: Sequence[Path]) -> Path:
    """Returns the absolute folder that all images below the paths have in common."""
    return Path(os.path.commonpath([_folder(path) for path in paths]))


def _folder(path: Path) -> Path:
    absolute = Path(os.path.abspath(path))  # noqa: PTH100 - a link keeps its place, where resolve() would follow it
    return absolute if path.is_dir() else absolute.parent


def _below(folder: Path) -> Iterator[Path]:
    for where, folders, files in os.walk(folder, onerror=_refuse):
        folders.sort()
        for name in sorted(files):
            if os.path.splitext(name)[1].lower() in SUFFIXES:  # noqa: PTH122 - a Path for each of a million names
                yield Path(where, name)


def _refuse(error: OSError) -> None:
    raise error
