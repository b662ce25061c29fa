"""Which Predict calls are taken on, and which are refused at once."""

from collections.abc import Iterator
from contextlib import contextmanager

from gateway.errors import DeadlineUnreachableError, QueueFullError
from gateway.outlook import OutlookOf
from gateway.room import Room
from gateway.tally import Tally

_MARGIN = 1.5
"""An image is taken on where its caller has so many times the time that it should take. Measured at ten times too much
load: with 1.25 a tenth of those taken on came late."""

_SHARE = 8
"""One caller may have so many times the room that is left: one alone gets nearly all of it, and some is always left for
others, however many take all that they may. Source: Choudhury and Hahne, "Dynamic Queue Length Thresholds for
Shared-Memory Packet Switches" (1998)."""


class Admission:
    """Refuses images for which there is no room, or that would be late. Nobody takes all the room from others.

    An image that need not wait is always taken on: it is by such images that the times are learned, so that these,
    however wrong, are soon put right.

    Args:
      room: for the images in work.
      outlook: of an image that comes now.
    """

    def __init__(self, room: Room, outlook: OutlookOf) -> None:
        self._room = room
        self._outlook = outlook
        self._images = Tally()

    def check(self, timeout_s: float) -> None:
        """Refuses an image before it is read.

        Args:
          timeout_s: in which its caller wants the answer, in seconds.

        Raises:
          QueueFullError, DeadlineUnreachableError: as they say.
        """
        if not self._has_room_for(0):
            raise self._full()
        outlook = self._outlook()
        takes_s = (outlook.wait_s + outlook.work_s) * _MARGIN
        if outlook.wait_s and takes_s > timeout_s:
            raise DeadlineUnreachableError(
                f"An answer takes about {takes_s * 1000:.0f} ms at present, the call has {timeout_s * 1000:.0f} ms; "
                "try again soon.",
                retry_after_s=takes_s - timeout_s,
            )

    @contextmanager
    def admitted(self, image_bytes: int) -> Iterator[None]:
        """Has an image in work for as long as the block lasts; QueueFullError where there is no room for it."""
        if not self._has_room_for(image_bytes):
            raise self._full()
        self._room.enter(image_bytes)
        try:
            with self._images.one_more():
                yield
        finally:
            self._room.leave(image_bytes)

    def _has_room_for(self, image_bytes: int) -> bool:
        left = self._room.max_images - self._room.images
        return self._room.has_room_for(image_bytes) and self._images.own() < _SHARE * left

    def _full(self) -> QueueFullError:
        return QueueFullError(
            f"No more than {self._room.max_images} images, of {self._room.max_bytes} bytes, are in work at a time, and "
            "of one caller not quite as many; try again soon."
        )
