"""Hand-over of values of which only the newest counts."""

import asyncio
from typing import Generic, TypeVar

_Value = TypeVar("_Value")


class Latest(Generic[_Value]):
    """Holds one value: a new one takes the place of one that nobody fetched.

    Attributes:
      value: the newest, fetched or not.
    """

    def __init__(self, value: _Value) -> None:
        self.value = value
        self._is_new = asyncio.Event()

    def put(self, value: _Value) -> None:
        """Offers a value."""
        self.value = value
        self._is_new.set()

    async def get(self) -> _Value:
        """Fetches the newest value, once there is one that was not fetched."""
        await self._is_new.wait()
        self._is_new.clear()
        return self.value
