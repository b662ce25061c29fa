"""Whether a picture is in colour, as no MRI slice is."""

import numpy as np

from gateway.imaging.pixels import ImageArray

_SIDE = 32
"""About so many pixels of each row and column are looked at."""
_SPREAD = 48
"""Largest less smallest channel, from which on a pixel counts as coloured; JPEG gives grey ones up to some 20."""
_SHARE = 0.05
"""Share of such pixels, from which on a picture is in colour: slices under a colour map have 0.08 and more, those with
arrows and circles drawn in them 0.005."""


def is_in_colour(image: ImageArray) -> bool:
    """Tells whether grey pixels would lose what a picture shows.

    Args:
      image: uint8 (height, width, channels), channels 1 or 3, as decode returns it.
    """
    height, width, channels = image.shape
    if channels == 1:
        return False
    red, green, blue = (image[:: max(1, height // _SIDE), :: max(1, width // _SIDE), band] for band in range(3))
    # Ten times as fast as along the axis of channels.
    spread = np.maximum(np.maximum(red, green), blue) - np.minimum(np.minimum(red, green), blue)
    return int(np.count_nonzero(spread > _SPREAD)) > _SHARE * spread.size
