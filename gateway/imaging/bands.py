"""Pictures band by band: done as a whole, each step would take the memory of a large one once more."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_BAND_PIXELS = 2**20


def bands(height: int, width: int) -> Iterator[slice]:
    """Yields the rows of each band, from top to bottom; a picture of the size of a slice is one."""
    rows = max(1, _BAND_PIXELS // max(1, width))
    for top in range(0, height, rows):
        yield slice(top, min(top + rows, height))


def band_of(image: Image.Image, rows: slice) -> Image.Image:
    """Returns some rows of a picture."""
    return image.crop((0, rows.start, image.width, rows.stop))


def rows_of(image: Image.Image, rows: slice, mode: str | None = None) -> NDArray[Any]:
    """Returns some rows as np.asarray returns all: (rows, width), or (rows, width, channels)."""
    return _pixels_in(band_of(image, rows), mode)


def array_of(image: Image.Image, mode: str | None = None) -> NDArray[Any]:
    """Returns what np.asarray does, which on its way would take twice the memory of that besides.

    Args:
      image: of any of Pillow's modes.
      mode: the one to convert the picture to, if not its own.
    """
    first, *others = bands(image.height, image.width)
    if not others:
        return _pixels_in(image, mode)
    band = rows_of(image, first, mode)
    whole = np.empty((image.height, *band.shape[1:]), band.dtype)
    whole[first] = band
    for rows in others:
        whole[rows] = rows_of(image, rows, mode)
    return whole


def _pixels_in(image: Image.Image, mode: str | None) -> NDArray[Any]:
    return np.asarray(image if mode in (None, image.mode) else image.convert(mode))  # it copies what has the mode
