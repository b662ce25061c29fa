"""Class-activation maps as pictures; training and serving draw them alike."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gateway.imaging.bands import band_of, bands, rows_of
from gateway.imaging.pixels import ImageArray, picture_of

_COLOURS = (
    # Heat, and the RGB that shows it: dark blue over violet and orange to yellow, evenly growing in lightness.
    (0.00, (13, 8, 135)),
    (0.25, (126, 3, 168)),
    (0.50, (204, 71, 120)),
    (0.75, (248, 149, 64)),
    (1.00, (240, 249, 33)),
)
_LEVELS = 256
_MAX_OPACITY = 0.6


def draw_heatmap(heat: NDArray[np.float32], height: int, width: int) -> Image.Image:
    """Draws a class-activation map at the size of its slice.

    Args:
      heat: float (h, w) in [0, 1], of any size; it covers the whole slice.
      height: of the slice, in pixels.
      width: of the slice, in pixels.

    Returns:
      8-bit grey; white is where the evidence lies.

    Source: bilinear interpolation, as Pillow's Image.resize.
    """
    # Resized before it is rounded, so that a map of a few cells shows no steps.
    smooth = Image.fromarray(np.nan_to_num(heat).astype(np.float32)).resize((width, height), Image.Resampling.BILINEAR)
    levels = np.empty((height, width), np.uint8)
    for rows in bands(height, width):
        levels[rows] = np.clip(rows_of(smooth, rows) * (_LEVELS - 1) + 0.5, 0, _LEVELS - 1)
    return Image.fromarray(levels)


def draw_overlay(heatmap: Image.Image, image: ImageArray) -> Image.Image:
    """Lays a map over its slice, the more opaque the hotter.

    Args:
      heatmap: as draw_heatmap returns it, at the slice's size.
      image: uint8 (height, width, channels), channels 1 or 3.

    Returns:
      RGB.
    """
    picture = picture_of(image).convert("RGB")
    palette, opacities = _palette(), [round(level * _MAX_OPACITY) for level in range(_LEVELS)]
    for rows in bands(*image.shape[:2]):
        coloured = band_of(heatmap, rows)
        opacity = coloured.point(opacities)
        coloured.putpalette(palette)
        picture.paste(coloured.convert("RGB"), (0, rows.start), opacity)
    return picture


def _palette() -> bytes:
    levels = np.linspace(0, 1, _LEVELS)
    heats = [heat for heat, _ in _COLOURS]
    channels = [np.interp(levels, heats, [colour[index] for _, colour in _COLOURS]) for index in range(3)]
    return np.stack(channels, axis=1).round().astype(np.uint8).tobytes()
