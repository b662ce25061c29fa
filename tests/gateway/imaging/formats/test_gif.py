"""GIF files."""

import numpy as np
from PIL import Image

from gateway.imaging import decode


def test_grey_keeps_every_level(grey, encode):
    found = decode(encode(grey, "GIF"))
    assert np.array_equal(found, np.broadcast_to(grey[..., np.newaxis], found.shape))


def test_palette_becomes_what_it_shows(colour, encode):
    palette = Image.fromarray(colour).quantize(64)
    assert np.array_equal(decode(encode(palette, "GIF")), np.asarray(palette.convert("RGB")))


def test_the_first_frame_counts(grey, encode):
    others = [Image.fromarray(255 - grey), Image.fromarray(grey // 2)]
    found = decode(encode(grey, "GIF", save_all=True, append_images=others))
    assert np.array_equal(found[..., 0], grey)


def test_transparent_pixels_are_black(grey, encode):
    found = decode(encode(grey, "GIF", transparency=255))
    assert np.array_equal(found[..., 0], np.where(grey == 255, 0, grey))
