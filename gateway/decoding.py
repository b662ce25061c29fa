"""Where images are decoded: beside the event loop, and large ones one at a time."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Generic, TypeVar

from gateway.errors import QueueFullError
from gateway.imaging import ImageArray, ImageLimits, OpenedImage, check_size
from gateway.outlook import MeanTime, Outlook

_T = TypeVar("_T")

_LARGE_PIXELS = 4_000_000
"""A picture of 2000 by 2000 is some 60 ms of work and 100 MB of memory; slices have a hundredth of that."""

_MAX_LARGE = 8
"""Large pictures in work at a time: of all room that there is for images they take no more."""


@dataclass(frozen=True, slots=True)
class _Made(Generic[_T]):
    """What was made of a file, and how long it took."""

    value: _T
    seconds: float


class Decoding:
    """Decodes in threads.

    A picture of 40 million pixels takes a second and up to 0.7 gigabytes. So those that are large have one thread to
    themselves: together they take no more memory than one, and slices never wait behind them.

    Args:
      threads: for slices.
      thread_count: how many.
      large_thread: one thread, for what is larger.
      limits: of all.
    """

    def __init__(self, threads: Executor, thread_count: int, large_thread: Executor, limits: ImageLimits) -> None:
        self._threads = threads
        self._thread_count = thread_count
        self._large_thread = large_thread
        self._limits = limits
        self._slices = 0
        self._large = 0
        self._large_turn = asyncio.Lock()
        self._time = MeanTime()

    def check_size(self, data: bytes) -> None:
        """Raises EmptyFileError or ImageTooLargeError where no decoding is worth while."""
        check_size(data, self._limits)

    def outlook(self) -> Outlook:
        """What awaits a slice that comes now."""
        ahead = self._slices // self._thread_count
        return Outlook(ahead * self._time.seconds, self._time.seconds)

    async def decoded(self, data: bytes, then: Callable[[ImageArray], _T]) -> _T:
        """Decodes a file, and goes on with the picture in the same thread.

        Args:
          data: an encoded image file.
          then: takes the picture, uint8 (height, width, channels).

        Returns:
          What `then` makes of it.

        Raises:
          InvalidImageError: as of gateway.imaging.decode.
          QueueFullError: it is large, and so are many that are in work.
        """
        self._slices += 1
        try:
            loop = asyncio.get_running_loop()
            outcome = await loop.run_in_executor(self._threads, _decode_slice, data, self._limits, then)
        finally:
            self._slices -= 1
        if isinstance(outcome, OpenedImage):
            return await self._decode_large(outcome, then)
        self._time.note(outcome.seconds)
        return outcome.value

    async def _decode_large(self, opened: OpenedImage, then: Callable[[ImageArray], _T]) -> _T:
        if self._large >= _MAX_LARGE:
            raise QueueFullError(
                f"{_MAX_LARGE} pictures of over {_LARGE_PIXELS} pixels are in work, which is the limit; "
                "send a smaller one, or try again soon."
            )
        self._large += 1
        try:
            await self._large_turn.acquire()
            loop = asyncio.get_running_loop()
            work = self._large_thread.submit(lambda: then(opened.decode()))
            # Not when its caller gives up: until the thread is free, the next one's bytes would wait there uncounted.
            work.add_done_callback(lambda _: loop.call_soon_threadsafe(self._large_turn.release))
            return await asyncio.wrap_future(work)
        finally:
            self._large -= 1


def _decode_slice(data: bytes, limits: ImageLimits, then: Callable[[ImageArray], _T]) -> OpenedImage | _Made[_T]:
    """Runs in a thread: one hop for all steps. Returns an image that is too large to go on with as it is."""
    begun = time.perf_counter()
    opened = OpenedImage(data, limits)
    if opened.pixels > _LARGE_PIXELS:
        return opened
    return _Made(then(opened.decode()), time.perf_counter() - begun)
