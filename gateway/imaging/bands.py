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


def rows_of(image: Image.Image, rows: slice) -> NDArray[Any]:
    """Returns some rows as np.asarray returns all: (rows, width), or (rows, width, channels)."""
    return np.asarray(band_of(image, rows))


def array_of(image: Image.Image) -> NDArray[Any]:
    """Returns what np.asarray does, which on its way would take twice the memory of that besides."""
    first, *others = bands(image.height, image.width)
    if not others:
        return np.asarray(image)
    band = rows_of(image, first)
    whole = np.empty((image.height, *band.shape[1:]), band.dtype)
    whole[first] = band
    for rows in others:
        whole[rows] = rows_of(image, rows)
    return whole
