"""BMP files."""

import numpy as np
from PIL import Image

from gateway.imaging import decode


def test_grey_stays_one_channel(grey, encode):
    assert np.array_equal(decode(encode(grey, "BMP")), grey[..., np.newaxis])


def test_colour_is_rgb(colour, encode):
    assert np.array_equal(decode(encode(colour, "BMP")), colour)


def test_palette_becomes_what_it_shows(colour, encode):
    palette = Image.fromarray(colour).quantize(64)
    assert np.array_equal(decode(encode(palette, "BMP")), np.asarray(palette.convert("RGB")))


def test_one_bit_is_black_and_white(grey, encode):
    found = decode(encode(Image.fromarray(grey > 100), "BMP"))
    assert np.array_equal(found[..., 0], np.where(grey > 100, 255, 0))
