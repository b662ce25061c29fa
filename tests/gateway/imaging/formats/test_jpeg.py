"""JPEG files."""

from typing import Any

import numpy as np
import pytest
from PIL import Image

from gateway.imaging import decode

LOSS = 3.0
"""Mean difference that quality 95 may cost, in grey levels."""


def difference(found: Any, expected: Any) -> float:
    return float(np.abs(found.astype(int) - expected.astype(int)).mean())


@pytest.mark.parametrize("progressive", [False, True])
def test_grey_stays_one_channel(grey, encode, progressive):
    found = decode(encode(grey, "JPEG", quality=95, progressive=progressive))
    assert found.shape == (48, 40, 1)
    assert difference(found[..., 0], grey) < LOSS


@pytest.mark.parametrize("progressive", [False, True])
def test_colour_is_rgb(colour, encode, progressive):
    found = decode(encode(colour, "JPEG", quality=95, subsampling=0, progressive=progressive))
    assert found.shape == (48, 40, 3)
    assert difference(found, colour) < LOSS


def test_cmyk_which_adobe_stores_inverted_shows_the_same_picture(colour, encode):
    cmyk = Image.fromarray(colour).convert("CMYK")
    found = decode(encode(cmyk, "JPEG", quality=95))
    assert difference(found, np.asarray(cmyk.convert("RGB"))) < LOSS


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_undone(grey, encode, orientation):
    """Each stored form of the picture, with the orientation that tells how, comes out upright."""
    stored = {
        1: grey,
        2: grey[:, ::-1],
        3: grey[::-1, ::-1],
        4: grey[::-1],
        5: grey.T,
        6: np.rot90(grey),
        7: grey[::-1, ::-1].T,
        8: np.rot90(grey, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    found = decode(encode(np.ascontiguousarray(stored), "JPEG", quality=95, exif=exif))
    assert found.shape == (48, 40, 1)
    assert difference(found[..., 0], grey) < LOSS


@pytest.mark.parametrize("exif", [b"Exif\0\0", b"Exif\0\0garbage", b"junk"])
def test_damaged_exif_does_not_matter(grey, encode, exif):
    plain = encode(grey, "JPEG", quality=95)
    segment = b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif
    assert np.array_equal(decode(plain[:2] + segment + plain[2:]), decode(plain))
