"""From Pillow's many pixel modes to eight bits of grey or RGB."""

from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from gateway.imaging.bands import array_of, band_of, bands
from gateway.imaging.errors import CorruptImageError

ImageArray = npt.NDArray[np.uint8]

_GREY = {"1", "L", "LA", "La"}
_WITH_ALPHA = {"LA", "La", "PA", "RGBA", "RGBa"}
_BIT_DEPTHS = (8, 10, 12, 14, 16)


def to_uint8(image: Image.Image) -> ImageArray:
    """Converts an image of any of Pillow's modes.

    Palettes and bitmaps become what they show; alpha is composited over black, the background of a slice.

    Returns:
      uint8 (height, width, 1) for grey images, (height, width, 3) RGB for all others.

    Raises:
      CorruptImageError: a floating-point image holds NaN or infinity.
    """
    image.load()
    if image.mode.startswith("I;16"):
        values = array_of(image)
        pixels = scale_by_depth(values)
        if (transparent := image.info.get("transparency")) is not None:  # a value, of PNG alone
            pixels[values == transparent] = 0
        return pixels
    if image.mode in {"I", "F"}:
        return scale_by_range(array_of(image))
    if image.mode in _WITH_ALPHA or "transparency" in image.info:
        return _over_black(image)
    pixels = array_of(image, "L" if image.mode in _GREY else "RGB")
    return pixels[..., np.newaxis] if pixels.ndim == 2 else pixels


def picture_of(pixels: ImageArray) -> Image.Image:
    """Makes a picture of pixels, uint8 (height, width, channels): grey of one channel, RGB of three."""
    return Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)


def scale_by_depth(values: npt.NDArray[np.uint16]) -> ImageArray:
    """Scales 16-bit pixels by the smallest usual bit depth that holds the brightest of them.

    Scanners store 10 and 12 bits in 16-bit files: by the full range those would be all but black.

    Args:
      values: uint16 (height, width).

    Returns:
      uint8 (height, width, 1): 0 is 0, the depth's largest value is 255, rounded between.
    """
    brightest = int(values.max())
    top = next(2**bits - 1 for bits in _BIT_DEPTHS if brightest < 2**bits)
    pixels = np.empty((*values.shape, 1), np.uint8)
    for rows in bands(*values.shape):
        scaled = values[rows].astype(np.uint32)
        scaled *= 255
        scaled += top // 2
        scaled //= top
        pixels[rows, :, 0] = scaled
    return pixels


def scale_by_range(values: npt.NDArray[Any]) -> ImageArray:
    """Scales 32-bit pixels, which have no usual depth, by their own smallest and largest value.

    Args:
      values: int32, uint32 or float32 (height, width).

    Returns:
      uint8 (height, width, 1): the smallest value is 0, the largest 255; all 0 where they are equal.

    Raises:
      CorruptImageError: there is NaN or infinity among them.
    """
    # In float64 neither the range of float32 nor that of int32 can overflow.
    low, high = float(values.min()), float(values.max())
    if not np.isfinite(high - low):
        raise CorruptImageError("The image holds pixels that are not finite; replace NaN and infinity in it.")
    factor = 255 / (high - low) if high > low else 0
    pixels = np.empty((*values.shape, 1), np.uint8)
    for rows in bands(*values.shape):
        pixels[rows, :, 0] = np.rint((values[rows].astype(np.float64) - low) * factor)
    return pixels


def _over_black(image: Image.Image) -> ImageArray:
    # Premultiplied colour is what compositing over black gives.
    straight, premultiplied, colours = ("LA", "La", 1) if image.mode in _GREY else ("RGBA", "RGBa", 3)
    pixels = np.empty((image.height, image.width, colours), np.uint8)
    for rows in bands(image.height, image.width):
        band = band_of(image, rows)
        if band.mode != premultiplied:
            band = band.convert(straight).convert(premultiplied)
        pixels[rows] = np.asarray(band)[..., :colours]
    return pixels
