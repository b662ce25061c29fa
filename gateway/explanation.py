"""Pictures of where the model looked."""

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gateway.imaging import ImageArray

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


@dataclass(frozen=True, slots=True)
class Explanation:
    """Class-activation map of one slice, as PNG files of the slice's size."""

    heatmap_png: bytes
    """8-bit grey; white is where the evidence lies."""
    overlay_png: bytes
    """RGB: the slice, and the map over it, the more opaque the hotter."""


def explain(heat: NDArray[np.float32], image: ImageArray) -> Explanation:
    """Draws a class-activation map.

    Args:
      heat: float (h, w) in [0, 1], of any size; it covers the whole slice.
      image: uint8 (height, width, channels), the slice as decoded, channels 1 or 3.

    Source: bilinear interpolation, as Pillow's Image.resize.
    """
    height, width = image.shape[:2]
    # Resized before it is rounded, so that a map of a few cells shows no steps.
    smooth = Image.fromarray(np.nan_to_num(heat).astype(np.float32)).resize((width, height), Image.Resampling.BILINEAR)
    levels = np.clip(np.asarray(smooth) * (_LEVELS - 1) + 0.5, 0, _LEVELS - 1).astype(np.uint8)
    heatmap = Image.fromarray(levels)
    coloured = Image.fromarray(levels)
    coloured.putpalette(_palette())
    picture = Image.fromarray(image[..., 0] if image.shape[2] == 1 else image).convert("RGB")
    opacity = heatmap.point([round(level * _MAX_OPACITY) for level in range(_LEVELS)])
    overlay = Image.composite(coloured.convert("RGB"), picture, opacity)
    return Explanation(_png(heatmap), _png(overlay))


def _palette() -> bytes:
    levels = np.linspace(0, 1, _LEVELS)
    heats = [heat for heat, _ in _COLOURS]
    channels = [np.interp(levels, heats, [colour[index] for _, colour in _COLOURS]) for index in range(3)]
    return np.stack(channels, axis=1).round().astype(np.uint8).tobytes()


def _png(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()
