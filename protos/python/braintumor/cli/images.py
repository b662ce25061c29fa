"""The image files that paths lead to."""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from braintumor.image_folder import IMAGE_SUFFIXES, files_below, has_image_suffix, images_below

SUFFIXES = ", ".join(sorted(IMAGE_SUFFIXES))
"""By which a file in a folder counts as an image, for people."""


def iter_images(paths: Sequence[Path]) -> Iterator[Path]:
    """Yields the files among the paths, whatever their names, and the images below the folders, in a stable order.

    Hidden files and folders below a folder are left out, as are explanations that an earlier run wrote there.

    Holds the names of one folder at a time, so that a tree may be of any size.

    Raises:
      OSError: a folder cannot be listed.
    """
    for path in paths:
        if path.is_dir():
            yield from images_below(path)
        else:
            yield path


def count_images(paths: Sequence[Path]) -> tuple[int, int]:
    """Returns how many images `iter_images` yields, and how many other files are below the folders.

    Raises:
      OSError: a folder cannot be listed.
    """
    named = sum(not path.is_dir() for path in paths)
    below = Counter(has_image_suffix(file) for path in paths if path.is_dir() for file in files_below(path))
    return named + below[True], below[False]


def common_folder(paths: Sequence[Path]) -> Path:
    """Returns the absolute folder that all images below the paths have in common."""
    return Path(os.path.commonpath([_folder(path) for path in paths]))


def _folder(path: Path) -> Path:
    absolute = Path(os.path.abspath(path))  # noqa: PTH100 a link keeps its place, where resolve() would follow it
    return absolute if path.is_dir() else absolute.parent
