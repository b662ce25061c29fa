"""Where images are decoded."""

import asyncio
import io
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from gateway.decoding import Decoding
from gateway.errors import QueueFullError
from gateway.imaging import ImageLimits, TooManyPixelsError


def _png(side):
    pixels = np.zeros((side, side), np.uint8)
    pixels[-1, -1] = 1  # a constant image is refused
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", compress_level=1)
    return file.getvalue()


@pytest.fixture
def decoding():
    """Makes one; in a test's own loop."""
    with ThreadPoolExecutor(2, "small") as threads, ThreadPoolExecutor(1, "large") as large:
        yield lambda: Decoding(threads, 2, large, ImageLimits(max_image_pixels=10_000_000))


async def test_what_is_made_of_a_picture_comes_back(decoding):
    assert await decoding().decoded(_png(240), lambda picture: picture.shape) == (240, 240, 1)


@pytest.mark.parametrize(("side", "thread"), [(240, "small"), (2000, "small"), (2001, "large")])
async def test_large_pictures_have_a_thread_of_their_own(decoding, side, thread):
    name = await decoding().decoded(_png(side), lambda _: threading.current_thread().name)
    assert name.startswith(thread)


async def test_slices_do_not_wait_behind_large_pictures(decoding):
    decoding, large, release = decoding(), _png(2001), threading.Event()
    waiting = [asyncio.ensure_future(decoding.decoded(large, lambda _: release.wait(20))) for _ in range(4)]
    try:
        assert await asyncio.wait_for(decoding.decoded(_png(240), lambda picture: picture.shape), 20) == (240, 240, 1)
    finally:
        release.set()
    assert all(await asyncio.gather(*waiting))


async def test_what_is_beyond_the_limits_is_refused_by_its_header(decoding):
    with pytest.raises(TooManyPixelsError):
        await decoding().decoded(_png(3200), lambda picture: picture)


async def test_large_pictures_are_bounded_in_number(decoding):
    decoding, large, release = decoding(), _png(2001), threading.Event()
    waiting = [asyncio.ensure_future(decoding.decoded(large, lambda _: release.wait(20))) for _ in range(9)]
    try:
        done, _ = await asyncio.wait(waiting, timeout=20, return_when=asyncio.FIRST_COMPLETED)
        (refused,) = done
        assert isinstance(refused.exception(), QueueFullError)
    finally:
        release.set()
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert sum(outcome is True for outcome in outcomes) == 8
    assert await decoding.decoded(large, lambda picture: picture.shape) == (2001, 2001, 1)


async def test_large_pictures_that_are_given_up_wait_for_no_thread(decoding):
    """Only the one that is being decoded is still held; its turn ends with it."""
    decoding, large, release, begun = decoding(), _png(2001), threading.Event(), threading.Event()

    def hold(_):
        begun.set()
        return release.wait(20)

    first = asyncio.ensure_future(decoding.decoded(large, hold))
    await asyncio.to_thread(begun.wait, 20)
    others = [asyncio.ensure_future(decoding.decoded(large, hold)) for _ in range(5)]
    for task in (first, *others):
        task.cancel()
    await asyncio.gather(first, *others, return_exceptions=True)
    assert decoding._large_thread._work_queue.qsize() == 0
    release.set()
    assert await asyncio.wait_for(decoding.decoded(large, lambda picture: picture.shape), 20) == (2001, 2001, 1)


async def test_the_outlook_is_that_of_slices(decoding):
    decoding, release, begun = decoding(), threading.Event(), threading.Semaphore(0)
    await decoding.decoded(_png(240), lambda picture: picture)
    assert decoding.outlook().wait_s == 0
    assert decoding.outlook().work_s > 0

    def hold(_):
        begun.release()
        return release.wait(20)

    waiting = [asyncio.ensure_future(decoding.decoded(_png(240), hold)) for _ in range(6)]
    for _ in range(2):
        await asyncio.to_thread(begun.acquire, timeout=20)
    outlook = decoding.outlook()
    assert outlook.wait_s == pytest.approx(3 * outlook.work_s)
    release.set()
    await asyncio.gather(*waiting)
    for _ in range(2):
        with pytest.raises(TooManyPixelsError):
            await decoding.decoded(_png(3200), lambda picture: picture)
    assert decoding.outlook().wait_s == 0
