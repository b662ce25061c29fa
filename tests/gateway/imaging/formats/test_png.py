"""PNG files."""

import struct

import numpy as np
import pytest
from PIL import Image

from gateway.imaging import CorruptImageError, decode

GREY, RGB, GREY_ALPHA = 0, 2, 4


def rows_of(values: np.ndarray) -> list[bytes]:
    return [row.tobytes() for row in values]


def test_grey_stays_one_channel(grey, encode):
    assert np.array_equal(decode(encode(grey, "PNG")), grey[..., np.newaxis])


def test_colour_is_rgb(colour, encode):
    assert np.array_equal(decode(encode(colour, "PNG")), colour)


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_few_bits_span_black_to_white(grey, write_png, bits):
    levels = 2**bits - 1
    values = grey >> (8 - bits)
    digits = np.unpackbits(values[..., np.newaxis], axis=2)[..., 8 - bits :]
    packed = np.packbits(digits.reshape(48, -1), axis=1)
    found = decode(write_png((40, 48), bits, GREY, [rows_of(packed)]))
    assert np.array_equal(found[..., 0], values * (255 // levels))


def test_16_bits_are_scaled_not_cut(grey, encode):
    assert np.array_equal(decode(encode(grey.astype(np.uint16) * 257, "PNG")), grey[..., np.newaxis])


def test_12_bits_in_16_are_scaled_by_12(grey, encode):
    stored = np.round(grey * (4095 / 255)).astype(np.uint16)
    assert np.array_equal(decode(encode(stored, "PNG"))[..., 0], grey)


def test_dark_grey_of_16_bits_keeps_its_levels(grey, encode):
    """Pillow keeps all bits of grey, so that none is refused as dark colour is."""
    stored = grey.astype(np.uint16) * 2  # of 10 bits, all in the lower half
    assert np.array_equal(decode(encode(stored, "PNG"))[..., 0], np.rint(stored * (255 / 1023)))


@pytest.mark.parametrize(("colour_type", "samples"), [(RGB, 3), (GREY_ALPHA, 2)])
def test_16_bits_in_several_channels_keep_their_high_byte(colour, write_png, colour_type, samples):
    """Pillow reads these as 8 bits, and grey ones as RGB; the low byte must not be the one that it takes."""
    values = colour[..., :samples].astype(np.uint16) * 256 + 99
    values[..., -1] |= 0xFF00 if colour_type == GREY_ALPHA else 0
    found = decode(write_png((40, 48), 16, colour_type, [rows_of(values.byteswap())]))
    assert np.array_equal(found, colour if colour_type == RGB else np.dstack([colour[..., 0]] * 3))


@pytest.mark.parametrize("bits", [8, 10, 12, 14])
@pytest.mark.parametrize(("colour_type", "samples"), [(RGB, 3), (GREY_ALPHA, 2)])
def test_few_bits_in_16_of_several_channels_are_refused(colour, write_png, colour_type, samples, bits):
    """They would be all but black, and a verdict on that is none."""
    values = colour[..., :samples].astype(np.uint16) * (2**bits // 256)
    values[..., -1] |= 0xFFFF if colour_type == GREY_ALPHA else 0
    with pytest.raises(CorruptImageError, match="save it as grey, or with 8 bits"):
        decode(write_png((40, 48), 16, colour_type, [rows_of(values.byteswap())]))


def test_palette_becomes_what_it_shows(colour, encode):
    palette = Image.fromarray(colour).quantize(64)
    assert np.array_equal(decode(encode(palette, "PNG")), np.asarray(palette.convert("RGB")))


def test_alpha_is_composited_over_black(colour, grey, encode):
    alpha = np.full_like(grey, 128)
    alpha[:, :10] = 0
    found = decode(encode(np.dstack([colour, alpha]), "PNG"))
    assert not found[:, :10].any()
    assert np.abs(found[:, 10:] - colour[:, 10:] * (128 / 255)).max() <= 1


def test_grey_with_alpha_stays_one_channel(grey, encode):
    alpha = np.where(grey > 100, 255, 0).astype(np.uint8)
    image = Image.merge("LA", [Image.fromarray(grey), Image.fromarray(alpha)])
    assert np.array_equal(decode(encode(image, "PNG")), np.where(grey > 100, grey, 0)[..., np.newaxis])


def test_a_transparent_palette_entry_is_black(grey, encode):
    palette = Image.fromarray(grey, "L").convert("P")
    palette.putpalette([value for level in range(256) for value in (level, 255 - level, 9)])
    found = decode(encode(palette, "PNG", transparency=255))
    assert not found[grey == 255].any()
    assert found[0, 0].tolist() == [0, 255, 9]


@pytest.mark.parametrize("bits", [8, 16])
def test_a_grey_level_declared_transparent_is_black(grey, write_png, bits):
    values = (grey.astype(np.uint16) * 257).byteswap() if bits == 16 else grey
    transparency = b"tRNS" + struct.pack(">H", 255 if bits == 8 else 65535)
    found = decode(write_png((40, 48), bits, GREY, [rows_of(values)], transparency))
    assert np.array_equal(found[..., 0], np.where(grey == 255, 0, grey))


def test_interlaced(grey, write_png):
    """Adam7: seven passes, each a coarser or finer grid of the picture."""
    grids = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
    passes = [rows_of(grey[top::down, left::right]) for top, left, down, right in grids]
    assert np.array_equal(decode(write_png((40, 48), 8, GREY, passes))[..., 0], grey)
