"""Which Predict calls are taken on, and which are refused at once."""

from collections.abc import Iterator
from contextlib import contextmanager

from gateway.backlog import OutlookOf
from gateway.errors import DeadlineUnreachableError, QueueFullError
from gateway.room import Room

_MARGIN = 1.5
"""By which an image may take longer than it should and still be in time. Measured at ten times too much load: with 1.25
a tenth of those taken on came late."""


class Admission:
    """Refuses images for which there is no room, or that would be late.

    An image that need not wait is always taken on: it is by such images that the times are learned, so that these,
    however wrong, are soon put right.

    Args:
      room: for the images in work.
      outlook: of an image that comes now.
    """

    def __init__(self, room: Room, outlook: OutlookOf) -> None:
        self._room = room
        self._outlook = outlook

    @contextmanager
    def admitted(self, timeout_s: float) -> Iterator["Place"]:
        """Has an image in work for as long as the block lasts. Its size comes later.

        Args:
          timeout_s: in which its caller wants the answer, in seconds.

        Raises:
          QueueFullError, DeadlineUnreachableError: as they say.
        """
        self._check(timeout_s)
        place = Place(self._room)
        try:
            yield place
        finally:
            place.leave()

    def _check(self, timeout_s: float) -> None:
        if not self._room.has_room_for(0):
            raise full(self._room)
        outlook, left_s = self._outlook(), max(timeout_s, 0.0)
        takes_s = (outlook.wait_s + outlook.work_s) * _MARGIN
        if outlook.wait_s and takes_s > left_s:
            raise DeadlineUnreachableError(
                f"An answer takes about {takes_s:.1f} s at present, and the call has {left_s:.1f} s; try again soon.",
                retry_after_s=takes_s - left_s,
            )


class Place:
    """That of one image in work."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._bytes = 0
        room.enter(0)

    def take(self, image_bytes: int) -> None:
        """Takes room for its bytes; QueueFullError where there is none."""
        if not self._room.has_room_for_more(image_bytes):
            raise full(self._room)
        self._room.add(image_bytes)
        self._bytes = image_bytes

    def leave(self) -> None:
        """Gives it up."""
        self._room.leave(self._bytes)


def full(room: Room) -> QueueFullError:
    """Returns the error that says so."""
    return QueueFullError(
        f"No more than {room.max_images} images, of {room.max_bytes} bytes, are in work at a time; try again soon."
    )
