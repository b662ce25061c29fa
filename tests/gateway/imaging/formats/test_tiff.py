"""TIFF files."""

import contextlib
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from gateway.imaging import CorruptImageError, InvalidImageError, decode
from gateway.imaging.formats.tiff_directory import data_end

ORDERS = ["<", ">"]


@pytest.mark.parametrize("compression", [None, "tiff_lzw", "tiff_adobe_deflate", "packbits"])
def test_lossless_compressions_keep_every_pixel(grey, colour, encode, compression):
    assert np.array_equal(decode(encode(grey, "TIFF", compression=compression)), grey[..., np.newaxis])
    assert np.array_equal(decode(encode(colour, "TIFF", compression=compression)), colour)


def test_jpeg_compression(grey, encode):
    found = decode(encode(grey, "TIFF", compression="jpeg", quality=95))
    assert np.abs(found[..., 0].astype(int) - grey).mean() < 3  # what quality 95 costs


def test_the_first_page_counts(grey, encode):
    found = decode(encode(grey, "TIFF", save_all=True, append_images=[Image.fromarray(255 - grey)]))
    assert np.array_equal(found[..., 0], grey)


@pytest.mark.parametrize("deflate", [False, True])
@pytest.mark.parametrize("order", ORDERS)
class TestBothByteOrders:
    def test_8_bits(self, grey, write_tiff, order, deflate):
        assert np.array_equal(decode(write_tiff(grey, order=order, deflate=deflate))[..., 0], grey)

    def test_16_bits_are_scaled_not_cut(self, grey, write_tiff, order, deflate):
        stored = grey.astype(np.uint16) * 257
        assert np.array_equal(decode(write_tiff(stored, order=order, deflate=deflate))[..., 0], grey)

    @pytest.mark.parametrize("kind", [np.int8, np.int16, np.int32, np.float32])
    def test_signed_and_float_are_scaled_by_their_own_range(self, grey, write_tiff, order, deflate, kind):
        stored = (grey.astype(kind) if kind == np.float32 else grey.astype(int) - 128).astype(kind)
        found = decode(write_tiff(stored, order=order, deflate=deflate))
        assert np.array_equal(found[..., 0], grey)


def test_unsigned_32_bits_beyond_the_signed_range(grey, write_tiff):
    stored = grey.astype(np.uint32) * (0xFFFFFFFF // 255)
    assert np.array_equal(decode(write_tiff(stored))[..., 0], grey)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32])
def test_white_may_be_zero(grey, write_tiff, kind):
    stored = grey.astype(kind) * (257 if kind == np.uint16 else 1)
    assert np.array_equal(decode(write_tiff(stored, photometric=0))[..., 0], 255 - grey)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_pixels_that_are_not_finite_are_an_error(grey, write_tiff, value):
    stored = grey.astype(np.float32)
    stored[5, 5] = value
    with pytest.raises(CorruptImageError, match="not finite"):
        decode(write_tiff(stored))


def test_the_whole_range_of_float_does_not_overflow(grey, write_tiff):
    stored = (grey / np.float32(255) * 2 - 1).astype(np.float32) * np.finfo(np.float32).max
    assert np.array_equal(decode(write_tiff(stored))[..., 0], grey)


@pytest.mark.parametrize("mode", ["1", "P", "CMYK", "RGBA", "LA", "YCbCr"])
def test_modes_become_what_they_show(colour, encode, mode):
    image = Image.fromarray(colour).convert(mode)
    shown = image.convert("L" if mode in {"1", "LA"} else "RGB")
    expected = np.asarray(shown).reshape(48, 40, -1)
    assert np.abs(decode(encode(image, "TIFF")).astype(int) - expected).max() <= 1


def test_orientation_is_undone(grey, encode):
    exif = Image.Exif()
    exif[0x0112] = 6
    stored = np.ascontiguousarray(np.rot90(grey))
    assert np.array_equal(decode(encode(stored, "TIFF", exif=exif))[..., 0], grey)


@pytest.mark.parametrize("compression", [None, "tiff_lzw"])
def test_the_directory_tells_how_long_the_file_is(grey, encode, compression):
    data = encode(grey, "TIFF", compression=compression)
    assert len(data) - 1 <= data_end(data) <= len(data)  # a pad byte may follow


def test_a_directory_without_end_is_not_walked():
    count = 700_000
    entry = struct.pack("<HHQQ", 256, 3, 100, 1 << 40)  # beyond the end, where Pillow stops reading
    data = struct.pack("<2sHHHQQ", b"II", 43, 8, 0, 16, count) + entry * count
    with pytest.raises(InvalidImageError):
        decode(data)
    assert data_end(data) == len(data)


@pytest.mark.parametrize("kind", [0, 2, 5, 12, 99])
@pytest.mark.parametrize("tag", [273, 279])
def test_strips_that_are_told_of_in_no_whole_numbers_are_an_error(grey, write_tiff, tag, kind):
    data = write_tiff(grey).replace(struct.pack("<HHI", tag, 4, 1), struct.pack("<HHI", tag, kind, 1))
    with pytest.raises(InvalidImageError):
        decode(data[:-1])


@pytest.mark.filterwarnings("ignore:Tag data larger than file")  # Pillow's, which skips it; libtiff does not
@pytest.mark.parametrize("word", ["I", "Q"], ids=["TIFF", "BigTIFF"])
def test_tags_do_not_share_their_values(grey, word):
    """Libtiff had a copy of each: 16 MiB took all memory that there was."""
    tags = [(256, 40), (257, 48), (258, 8), (259, 1), (262, 1), (273, 1000), (278, 48), (279, grey.size)]
    values = [(tag, 4, 1, value) for tag, value in tags] + [(tag, 2, 2800, 0) for tag in (40_000, 40_001)]
    start = b"II+\0\x08\0\0\0" if word == "Q" else b"II*\0"
    at = len(start) + struct.calcsize(f"<{word}")

    def file(count):
        length = struct.pack("<Q" if word == "Q" else "<H", 8 + count)
        directory = b"".join(struct.pack(f"<HH{word}{word}", *entry) for entry in values[: 8 + count])
        head = start + struct.pack(f"<{word}", at) + length + directory
        return head.ljust(1000, b"\0") + grey.tobytes()

    assert np.array_equal(decode(file(1))[..., 0], grey)
    with pytest.raises(CorruptImageError):
        decode(file(2))


@pytest.mark.parametrize(("times", "side", "fits"), [(1, 1024, True), (1, 2048, False), (42, 2048, True)])
def test_tiles_are_not_much_larger_than_the_picture(grey, times, side, fits):
    """A tile is memory as a whole: 200 bytes took 2 GiB."""
    picture = np.tile(grey, (times, times))
    height, width = picture.shape
    pixels = zlib.compress(np.pad(picture, ((0, side - height), (0, side - width))).tobytes())
    tags = [(256, width), (257, height), (258, 8), (259, 8), (262, 1), (322, side), (323, side), (324, 1000)]
    tags.append((325, len(pixels)))
    directory = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    data = (b"II*\0" + struct.pack("<IH", 8, len(tags)) + directory).ljust(1000, b"\0") + pixels
    if fits:
        assert np.array_equal(decode(data)[..., 0], picture)
    else:
        with pytest.raises(CorruptImageError):
            decode(data)


def test_big_tiff(grey, encode):
    data = encode(grey, "TIFF", big_tiff=True)
    assert np.array_equal(decode(data)[..., 0], grey)
    assert len(data) - 1 <= data_end(data) <= len(data)


@pytest.mark.parametrize("compression", ["group4", "tiff_lzw", "tiff_adobe_deflate"])
def test_what_is_wrong_with_a_file_is_told_to_its_sender_alone(grey, encode, capfd, compression):
    """And not to stderr, where libtiff would have it."""
    data = bytearray(encode(grey > 128 if compression == "group4" else grey, "TIFF", compression=compression))
    middle = len(data) // 2
    for at in range(middle, middle + 40):
        broken = data.copy()
        broken[at : at + 8] = b"\xff\x00" * 4
        with contextlib.suppress(InvalidImageError):
            decode(bytes(broken))
    assert capfd.readouterr().err == ""


def test_pillow_logs_nothing_of_it(colour, encode, caplog):
    """Whoever sends it could fill a log with that."""
    data = encode(colour, "TIFF")
    samples_per_pixel = data.index(struct.pack("<HHI", 277, 3, 1)) + 8
    damaged = data[:samples_per_pixel] + struct.pack("<I", 2048) + data[samples_per_pixel + 4 :]
    with pytest.raises(CorruptImageError):
        decode(damaged)
    assert caplog.text == ""
