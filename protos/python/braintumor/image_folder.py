"""The image files below a folder."""

import os
from collections.abc import Iterator
from pathlib import Path

IMAGE_SUFFIXES = frozenset(
    {".bmp", ".dib", ".gif", ".jfif", ".jpe", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"},
)
"""Suffixes, in lower case, by which a file counts as an image."""

EXPLANATION_SUFFIXES = {"heatmap": ".heatmap.png", "overlay": ".overlay.png"}
"""Of the files that explain a verdict, by what they show. In a folder they count as no images."""


def images_below(folder: Path) -> Iterator[Path]:
    """Yields those of the files below a folder whose suffix is that of an image; see `files_below`."""
    return (Path(file) for file in files_below(folder) if has_image_suffix(file))


def files_below(folder: Path) -> Iterator[str]:
    """Yields the files in a folder and in those below it, also behind links, in a stable order.

    Hidden files and folders are left out, as are pipes, devices, and explanations that the command wrote there. A
    folder to which several links lead is read once.

    Holds the names of one folder at a time, so that a tree may be of any size.

    Raises:
      OSError: a folder cannot be listed.
    """
    seen = {os.path.realpath(folder)}
    for where, folders, files in os.walk(folder, onerror=_refuse, followlinks=True):
        shown, folders[:] = sorted(name for name in folders if not _is_hidden(name)), []
        for name in shown:
            place = os.path.realpath(os.path.join(where, name))  # noqa: PTH118 a Path for each of a million names
            if place not in seen:  # Links may lead back to where they are.
                seen.add(place)
                folders.append(name)
        counting = (os.path.join(where, name) for name in sorted(files) if not _is_left_out(name))  # noqa: PTH118 as above
        yield from (file for file in counting if not _is_special(file))


def is_image(name: str) -> bool:
    """Tells by its name whether a file counts as an image: not where it is hidden, or explains a verdict."""
    return has_image_suffix(name) and not _is_left_out(name)


def has_image_suffix(name: str) -> bool:
    """Tells whether a name, or a path, ends as that of an image."""
    return os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES  # noqa: PTH122 as above


def _is_left_out(name: str) -> bool:
    return _is_hidden(name) or name.endswith(tuple(EXPLANATION_SUFFIXES.values()))


def _is_special(path: str) -> bool:
    """Tells pipes and devices, which may never end. A link that leads nowhere is none: it is told where it is read."""
    return os.path.exists(path) and not os.path.isfile(path)  # noqa: PTH110, PTH113 as above


def _is_hidden(name: str) -> bool:
    """Among the hidden are those that macOS leaves beside each file on foreign disks: ._slice.jpg is no image."""
    return name.startswith(".")


def _refuse(error: OSError) -> None:
    raise error
