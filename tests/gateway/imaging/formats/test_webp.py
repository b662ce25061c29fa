"""WebP files."""

import numpy as np
from PIL import Image

from gateway.imaging import decode


def test_lossless_keeps_every_pixel(colour, encode):
    assert np.array_equal(decode(encode(colour, "WEBP", lossless=True)), colour)


def test_lossy_shows_the_picture(grey, encode):
    found = decode(encode(grey, "WEBP", quality=95))
    assert np.abs(found.mean(axis=2) - grey).mean() < 4  # what quality 95 costs


def test_the_first_frame_counts(colour, encode):
    found = decode(encode(colour, "WEBP", lossless=True, save_all=True, append_images=[Image.fromarray(255 - colour)]))
    assert np.array_equal(found, colour)


def test_alpha_is_composited_over_black(colour, grey, encode):
    alpha = np.where(grey > 100, 255, 0).astype(np.uint8)
    found = decode(encode(np.dstack([colour, alpha]), "WEBP", lossless=True, exact=True))
    assert np.array_equal(found, np.where(alpha[..., np.newaxis] == 255, colour, 0))


def test_exif_orientation_is_undone(colour, encode):
    exif = Image.Exif()
    exif[0x0112] = 6
    stored = np.ascontiguousarray(np.rot90(colour))
    assert np.array_equal(decode(encode(stored, "WEBP", lossless=True, exif=exif)), colour)
