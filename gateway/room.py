"""Room for images, in number and in bytes."""

import asyncio
from collections import OrderedDict


class Room:
    """Counts the images that are in work, and has those that wait for room come in turn.

    Args:
      max_images: at a time.
      max_bytes: of them together; one image alone may have more.
    """

    def __init__(self, max_images: int, max_bytes: int) -> None:
        self.max_images = max_images
        self.max_bytes = max_bytes
        self.images = 0
        self._bytes = 0
        self._waiting: OrderedDict[asyncio.Future[None], int] = OrderedDict()

    def has_room_for(self, image_bytes: int) -> bool:
        """Tells whether an image may come in."""
        if not self.images:
            return True
        return self.images < self.max_images and self._bytes + image_bytes <= self.max_bytes

    def enter(self, image_bytes: int) -> None:
        """Lets an image in, which must `leave` again."""
        self.images += 1
        self._bytes += image_bytes

    async def wait_and_enter(self, image_bytes: int) -> None:
        """Lets an image in as soon as there is room, first come, first served."""
        turn = asyncio.get_running_loop().create_future()
        self._waiting[turn] = image_bytes
        self._admit()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                self._waiting.pop(turn, None)
                self._admit()  # it may have stood in the way of a smaller one
            else:
                self.leave(image_bytes)  # it was let in at that very moment
            raise

    def leave(self, image_bytes: int) -> None:
        """Gives up the room of an image that was let in."""
        self.images -= 1
        self._bytes -= image_bytes
        self._admit()

    def _admit(self) -> None:
        while self._waiting:
            turn, image_bytes = next(iter(self._waiting.items()))
            if not self.has_room_for(image_bytes):
                return
            del self._waiting[turn]
            if not turn.cancelled():
                self.enter(image_bytes)
                turn.set_result(None)
