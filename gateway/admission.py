"""Which Predict calls are taken on, and which are refused at once."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from gateway.errors import DeadlineUnreachableError, QueueFullError
from gateway.room import Room

_WEIGHT = 0.2
"""Of the newest image in the mean: some thirty images later nothing of a standstill is left in it."""

_MARGIN = 1.25
"""By which an image may take longer than it should and still be in time."""


class Admission:
    """Refuses images for which there is no room, or that would be late.

    How long an image will take is told by those before it: in a queue each waits for all that were there when it came,
    so its time divided by their number is what one of them takes. An image that finds nobody is always taken on, so
    that the measure, however wrong, is soon put right.

    Args:
      room: for the images in work.
      clock: seconds that only grow.
    """

    def __init__(self, room: Room, clock: Callable[[], float] = time.monotonic) -> None:
        self._room = room
        self._clock = clock
        self._pace_s = 0.0

    def check(self, image_bytes: int, timeout_s: float) -> None:
        """Refuses an image for which there is no room or no time.

        Args:
          image_bytes: its size, 0 where it is not known yet.
          timeout_s: in which its caller wants the answer, in seconds.

        Raises:
          QueueFullError, DeadlineUnreachableError: as they say.
        """
        room = self._room
        if not room.has_room_for(image_bytes):
            raise QueueFullError(
                f"No more than {room.max_images} images, of {room.max_bytes} bytes, are in work at a time; "
                "try again soon."
            )
        wait_s = (room.images + 1) * self._pace_s * _MARGIN
        left_s = max(timeout_s, 0.0)
        if room.images and wait_s > left_s:
            raise DeadlineUnreachableError(
                f"An answer takes about {wait_s:.1f} s at present, and the call has {left_s:.1f} s; try again soon.",
                retry_after_s=wait_s - left_s,
            )

    @contextmanager
    def admitted(self, image_bytes: int, timeout_s: float) -> Iterator[None]:
        """Has an image in work for as long as the block lasts. Raises as `check`."""
        self.check(image_bytes, timeout_s)
        self._room.enter(image_bytes)
        images, begun_s = self._room.images, self._clock()
        try:
            yield
            self._learn((self._clock() - begun_s) / images)
        finally:
            self._room.leave(image_bytes)

    def _learn(self, pace_s: float) -> None:
        self._pace_s += _WEIGHT * (pace_s - self._pace_s)
