"""The image files that paths lead to."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from braintumor.image_suffixes import IMAGE_SUFFIXES

EXPLANATION_SUFFIXES = {"heatmap": ".heatmap.png", "overlay": ".overlay.png"}
"""Of the files that explain a verdict, by what they show. In a folder they count as no images."""


def iter_images(paths: Sequence[Path]) -> Iterator[Path]:
    """Yields the files among the paths, whatever their names, and the images below the folders, in a stable order.

    Hidden files and folders below a folder are left out, as are explanations that an earlier run wrote there.

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
    seen = {os.path.realpath(folder)}
    for where, folders, files in os.walk(folder, onerror=_refuse, followlinks=True):
        shown, folders[:] = sorted(name for name in folders if not _is_hidden(name)), []
        for name in shown:
            place = os.path.realpath(os.path.join(where, name))  # noqa: PTH118 - as above
            if place not in seen:  # Links may lead back to where they are.
                seen.add(place)
                folders.append(name)
        yield from (Path(where, name) for name in sorted(files) if _is_image(name))


def _is_image(name: str) -> bool:
    suffix = os.path.splitext(name)[1].lower()  # noqa: PTH122 - a Path for each of a million names
    return suffix in IMAGE_SUFFIXES and not _is_hidden(name) and not name.endswith(tuple(EXPLANATION_SUFFIXES.values()))


def _is_hidden(name: str) -> bool:
    """Among the hidden are those that macOS leaves beside each file on foreign disks: ._slice.jpg is no image."""
    return name.startswith(".")


def _refuse(error: OSError) -> None:
    raise error
