"""Room for images, in number and in bytes."""

import asyncio
from collections import deque


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
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

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
        if not self._waiting and self.has_room_for(image_bytes):
            self.enter(image_bytes)
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append((image_bytes, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():
                self.leave(image_bytes)  # it was let in at that very moment
            raise

    def leave(self, image_bytes: int) -> None:
        """Gives up the room of an image that was let in."""
        self.images -= 1
        self._bytes -= image_bytes
        while self._waiting and (self._waiting[0][1].cancelled() or self.has_room_for(self._waiting[0][0])):
            next_bytes, turn = self._waiting.popleft()
            if not turn.cancelled():
                self.enter(next_bytes)
                turn.set_result(None)
