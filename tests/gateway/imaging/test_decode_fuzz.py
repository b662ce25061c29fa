"""Hostile bytes: whatever they are, the answer is a picture or an InvalidImageError."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from gateway.imaging import IMAGE_FORMATS, ImageLimits, InvalidImageError, decode

LIMITS = ImageLimits(max_image_bytes=1 << 20, max_image_pixels=1 << 20)

quick_and_repeatable = settings(
    max_examples=150,
    deadline=None,  # the machine may be busy
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def decode_or_refuse(data: bytes) -> None:
    try:
        pixels = decode(data, LIMITS)
    except InvalidImageError as err:
        assert err.reason  # noqa: PT017 either outcome is right
    else:
        assert pixels.dtype == np.uint8
        assert pixels.ndim == 3
        assert pixels.shape[2] in {1, 3}


@pytest.fixture(scope="module")
def seeds(grey, colour, encode) -> dict[str, list[bytes]]:
    """A few small files of each format, of unlike inner structure."""
    palette = Image.fromarray(colour).quantize(16)
    alpha = np.dstack([colour, grey])
    exif = Image.Exif()
    exif[0x0112] = 6
    return {
        "JPEG": [encode(grey, "JPEG", exif=exif), encode(colour, "JPEG", progressive=True)],
        "PNG": [encode(palette, "PNG"), encode(alpha, "PNG"), encode(grey.astype(np.uint16) * 99, "PNG")],
        "BMP": [encode(grey, "BMP"), encode(colour, "BMP")],
        "TIFF": [encode(colour, "TIFF"), encode(grey, "TIFF", compression="tiff_lzw"), encode(palette, "TIFF")],
        "GIF": [encode(grey, "GIF"), encode(palette, "GIF", transparency=3)],
        "WebP": [encode(alpha, "WEBP", lossless=True), encode(colour, "WEBP", exif=exif)],
    }


@pytest.mark.parametrize("name", IMAGE_FORMATS)
@quick_and_repeatable
@given(data=st.data())
def test_mutated_files(seeds, name, data):
    mutant = bytearray(data.draw(st.sampled_from(seeds[name])))
    # Headers decide most, so half of the hits are aimed at them.
    places = st.one_of(st.integers(0, min(150, len(mutant) - 1)), st.integers(0, len(mutant) - 1))
    for place, value in data.draw(st.lists(st.tuples(places, st.integers(0, 255)), min_size=1, max_size=12)):
        mutant[place] = value
    decode_or_refuse(bytes(mutant[: data.draw(st.integers(len(mutant) // 2, len(mutant)))]))


@pytest.mark.parametrize("name", IMAGE_FORMATS)
@quick_and_repeatable
@given(tail=st.binary(max_size=300), kept=st.integers(2, 64))
def test_beginnings_with_other_bytes_behind(seeds, name, tail, kept):
    decode_or_refuse(seeds[name][0][:kept] + tail)


@quick_and_repeatable
@given(data=st.binary(max_size=300))
def test_any_bytes(data):
    decode_or_refuse(data)
