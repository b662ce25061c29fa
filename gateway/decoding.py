"""Where images are decoded: beside the event loop, and large ones one at a time."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from typing import TypeVar

from gateway.imaging import ImageArray, ImageLimits, OpenedImage

_T = TypeVar("_T")

_LARGE_PIXELS = 4_000_000
"""A picture of 2000 by 2000 is some 60 ms of work and 100 MB of memory; slices have a hundredth of that."""


class Decoding:
    """Decodes in threads.

    A picture of 40 million pixels takes a second and up to a gigabyte. So those that are large have one thread to
    themselves: together they take no more memory than one, and slices never wait behind them.

    Args:
      threads: for slices.
      large_thread: one thread, for what is larger.
      limits: of all.
    """

    def __init__(self, threads: Executor, large_thread: Executor, limits: ImageLimits) -> None:
        self._threads = threads
        self._large_thread = large_thread
        self._limits = limits

    async def decoded(self, data: bytes, then: Callable[[ImageArray], _T]) -> _T:
        """Decodes a file, and goes on with the picture in the same thread.

        Args:
          data: an encoded image file.
          then: takes the picture, uint8 (height, width, channels).

        Returns:
          What `then` makes of it.

        Raises:
          InvalidImageError: as of gateway.imaging.decode.
        """
        loop = asyncio.get_running_loop()
        opened, made = await loop.run_in_executor(self._threads, self._decode_small, data, then)
        if made is None:
            made = await loop.run_in_executor(self._large_thread, _decode, opened, then)
        return made

    def _decode_small(self, data: bytes, then: Callable[[ImageArray], _T]) -> tuple[OpenedImage, _T | None]:
        opened = OpenedImage(data, self._limits)
        return opened, None if opened.pixels > _LARGE_PIXELS else then(opened.decode())


def _decode(opened: OpenedImage, then: Callable[[ImageArray], _T]) -> _T:
    return then(opened.decode())
