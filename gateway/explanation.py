"""Pictures of where the model looked."""

import io
import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gateway.errors import ModelFailedError
from gateway.imaging import ImageArray, draw_heatmap, draw_overlay


@dataclass(frozen=True, slots=True)
class Explanation:
    """Class-activation map of one slice, as PNG files of the slice's size."""

    heatmap_png: bytes
    """8-bit grey; white is where there was most evidence in this slice."""
    overlay_png: bytes
    """RGB: the slice, and the map over it, the more opaque the hotter."""


def explain(heat: NDArray[np.float32], image: ImageArray) -> Explanation:
    """Draws a class-activation map.

    Args:
      heat: float (h, w) in [0, 1], of any size; it covers the whole slice.
      image: uint8 (height, width, channels), the slice as decoded, channels 1 or 3.

    Raises:
      ModelFailedError: there is NaN or infinity in the map.
    """
    if not np.isfinite(heat).all():
        raise ModelFailedError("The model's explanation holds what is no number.")
    heatmap = draw_heatmap(heat, *image.shape[:2])
    return Explanation(_png(heatmap), _png(draw_overlay(heatmap, image)))


def _png(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, "PNG", compress_type=zlib.Z_RLE)  # a fifteenth larger, in a quarter of the time
    return file.getvalue()
