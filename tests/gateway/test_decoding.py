"""Where images are decoded."""

import asyncio
import io
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from gateway.decoding import Decoding
from gateway.imaging import ImageLimits, TooManyPixelsError


def _png(side):
    pixels = np.zeros((side, side), np.uint8)
    pixels[-1, -1] = 1  # a constant image is refused
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", compress_level=1)
    return file.getvalue()


@pytest.fixture
def decoding():
    with ThreadPoolExecutor(2, "small") as threads, ThreadPoolExecutor(1, "large") as large:
        yield Decoding(threads, large, ImageLimits(max_image_pixels=10_000_000))


async def test_what_is_made_of_a_picture_comes_back(decoding):
    assert await decoding.decoded(_png(240), lambda picture: picture.shape) == (240, 240, 1)


@pytest.mark.parametrize(("side", "thread"), [(240, "small"), (2000, "small"), (2001, "large")])
async def test_large_pictures_have_a_thread_of_their_own(decoding, side, thread):
    name = await decoding.decoded(_png(side), lambda _: threading.current_thread().name)
    assert name.startswith(thread)


async def test_slices_do_not_wait_behind_large_pictures(decoding):
    large, release = _png(2001), threading.Event()
    waiting = [asyncio.ensure_future(decoding.decoded(large, lambda _: release.wait(20))) for _ in range(4)]
    try:
        assert await asyncio.wait_for(decoding.decoded(_png(240), lambda picture: picture.shape), 20) == (240, 240, 1)
    finally:
        release.set()
    assert all(await asyncio.gather(*waiting))


async def test_what_is_beyond_the_limits_is_refused_by_its_header(decoding):
    with pytest.raises(TooManyPixelsError):
        await decoding.decoded(_png(3200), lambda picture: picture)
