"""Limits, errors and guarantees of decode, whatever the format."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from gateway.imaging import (
    DECODERS,
    IMAGE_FORMATS,
    ConstantImageError,
    EmptyFileError,
    ImageLimits,
    ImageTooLargeError,
    InputSpec,
    InvalidImageError,
    TooManyPixelsError,
    UnsupportedFormatError,
    decode,
    preprocess,
)
from gateway.imaging import errors as errors_module


@pytest.fixture(scope="module")
def files(grey, encode) -> dict[str, bytes]:
    """The grey slice in every format, without loss where the format can."""
    options = {"JPEG": {"quality": 95}, "WebP": {"lossless": True}}
    return {name: encode(grey, name.upper(), **options.get(name, {})) for name in IMAGE_FORMATS}


def test_lossless_formats_hold_the_same_pixels(files, grey, encode):
    files = {**files, "16 bit": encode(grey.astype(np.uint16) * 257, "PNG")}
    del files["JPEG"]
    for name, data in files.items():
        assert np.array_equal(preprocess(decode(data), InputSpec(48, 40, 1))[..., 0], grey), name


def test_no_bytes():
    with pytest.raises(EmptyFileError, match="no bytes"):
        decode(b"")


def test_too_many_bytes(files):
    size = len(files["PNG"])
    assert decode(files["PNG"], ImageLimits(max_image_bytes=size)).any()
    with pytest.raises(ImageTooLargeError, match=f"{size} bytes, the limit is {size - 1}"):
        decode(files["PNG"], ImageLimits(max_image_bytes=size - 1))


@pytest.mark.parametrize("name", IMAGE_FORMATS)
def test_too_many_pixels_by_the_header(files, name):
    assert decode(files[name], ImageLimits(max_image_pixels=1920)).any()
    with pytest.raises(TooManyPixelsError, match="40 x 48 = 1920 pixels, the limit is 1919"):
        decode(files[name], ImageLimits(max_image_pixels=1919))


@pytest.mark.parametrize("side", [9_500, 14_000, 60_000, 2**31 - 1])
def test_a_header_of_a_picture_beyond_pillows_own_bound_neither_warns_nor_allocates(write_png, side):
    with pytest.raises(TooManyPixelsError, match="the limit is 40000000"):
        decode(write_png((side, side), 8, 0, [[b"\0"]]))


@pytest.mark.parametrize("shape", [(-1, 1), (1, -1)])
def test_a_side_may_be_as_long_as_in_a_jpeg(encode, shape):
    """Tables of a resize go by the side: there would be more memory in them than in all the pixels."""
    pixels = np.arange(65_536, dtype=np.uint32).astype(np.uint8)
    assert np.array_equal(decode(encode(pixels[:-1].reshape(shape), "PNG")).reshape(-1), pixels[:-1])
    with pytest.raises(TooManyPixelsError, match="limit of a side is 65535"):
        decode(encode(pixels.reshape(shape), "PNG"))


def test_a_webp_canvas_beyond_pillows_own_bound_is_too_many_pixels(encode, colour):
    data = bytearray(encode(np.dstack([colour, colour[..., 0]]), "WEBP", lossless=True, xmp=b"<x/>"))
    assert data[12:16] == b"VP8X"
    data[24:30] = (16_000).to_bytes(3, "little") * 2
    with pytest.raises(TooManyPixelsError):
        decode(bytes(data))


@pytest.mark.parametrize(
    "data", [b"\0", b"hello", b"%PDF-1.7", b"\xff\xd8", b"RIFF\0\0\0\0WAVE", b"DICM" * 99, b"\0" * 999]
)
def test_bytes_of_no_known_format(data):
    with pytest.raises(UnsupportedFormatError, match="send JPEG, PNG, BMP, TIFF, GIF, WebP"):
        decode(data)


@pytest.mark.parametrize("name", IMAGE_FORMATS)
@pytest.mark.parametrize("level", [0, 255, 77])
def test_a_constant_image_holds_no_slice(encode, name, level):
    with pytest.raises(ConstantImageError, match="no slice"):
        decode(encode(np.full((20, 30), level, np.uint8), name.upper()))


def test_one_colour_is_constant_although_its_channels_differ(encode):
    with pytest.raises(ConstantImageError):
        decode(encode(np.full((20, 30, 3), (10, 20, 30), np.uint8), "PNG"))


def test_one_odd_pixel_is_enough(encode):
    pixels = np.zeros((20, 30, 3), np.uint8)
    pixels[-1, -1, 1] = 1
    assert decode(encode(pixels, "PNG")).sum() == 1


def test_a_large_picture_may_be_black_down_to_its_last_rows(encode):
    """It is compared in bands, and one of a single level says nothing of the others."""
    pixels = np.zeros((1500, 1500), np.uint8)
    pixels[-1, :2] = 1
    assert decode(encode(pixels, "PNG")).sum() == 2


@pytest.mark.parametrize("name", IMAGE_FORMATS)
def test_a_file_that_ends_early_says_so_or_shows_the_whole_picture(files, name):
    """The last bytes may be an end mark only: then all pixels are there, and an answer is right."""
    data, whole = files[name], decode(files[name])
    reasons = set()
    for length in range(16, len(data), max(1, len(data) // 97)):
        try:
            assert np.array_equal(decode(data[:length]), whole)
        except InvalidImageError as err:
            reasons.add(err.reason)
    assert reasons == {"IMAGE_TRUNCATED"}


@pytest.mark.parametrize("name", IMAGE_FORMATS)
def test_pillow_is_not_quoted_to_callers(files, name):
    with pytest.raises(InvalidImageError) as caught:
        decode(files[name][: len(files[name]) // 2])
    assert str(caught.value).startswith(f"The {name} image ends early, its {len(files[name]) // 2} bytes")


def test_reasons_are_distinct_and_drawn_in_the_tree():
    classes = [InvalidImageError, *InvalidImageError.__subclasses__()]
    assert len({error.reason for error in classes}) == len(classes)
    assert all(error.__name__ in str(errors_module.__doc__) for error in classes)


def test_names_follow_the_registry():
    assert tuple(decoder.name for decoder in DECODERS) == IMAGE_FORMATS


def test_threads_do_not_disturb_each_other(files):
    expected = {name: decode(data) for name, data in files.items()}
    work = [*files] * 40
    with ThreadPoolExecutor(8) as pool:
        for name, found in zip(work, pool.map(lambda name: decode(files[name]), work), strict=True):
            assert np.array_equal(found, expected[name]), name


def test_pillows_limits_are_left_as_they_are(files):
    """They are the process's own; other code in it may rely on them."""
    before = Image.MAX_IMAGE_PIXELS
    for data in files.values():
        decode(data)
    assert before == Image.MAX_IMAGE_PIXELS


def test_odd_metadata_warns_nobody(files):
    """In a fresh interpreter, since pytest puts its own warning filters over those of the process."""
    exif = b"Exif\0\0II*\0\xff\xff\xff\xff"  # its directory lies beyond its end
    data = files["JPEG"]
    data = data[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + data[2:]
    code = "import sys; from gateway.imaging import decode; decode(sys.stdin.buffer.read())"
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], input=data, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
