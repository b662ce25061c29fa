"""Where calls begin, and where a process that drains has all begin that have arrived."""

import asyncio

_LONGEST_S = 1.0
"""For which calls are held up at most."""

_TURNS, _TURN_S = 20, 0.002
"""Turns of the loop between two looks, and the least time of each."""

_FEW = 2
"""Calls that may begin between two looks where none waits. While some do, every third turn at least begins one."""


class Entrance:
    """Lets calls in.

    A server of gRPC begins calls one by one, each when the loop has gone round with the work of those before. Where it
    stops, it cancels those that it has not begun, under load nearly all, and tells their callers nothing.
    """

    def __init__(self) -> None:
        self._begun = 0
        self._open = asyncio.Event()
        self._open.set()

    async def enter(self) -> None:
        """Is awaited at the beginning of each call."""
        self._begun += 1
        await self._open.wait()

    async def let_all_in(self, longest_s: float) -> None:
        """Holds up the work of calls that begin, until all are here that have arrived.

        Args:
          longest_s: longest time for that, in seconds.
        """
        self._open.clear()
        clock = asyncio.get_running_loop().time
        end = clock() + min(longest_s, _LONGEST_S)
        while clock() < end and await self._begun_until_next_look() > _FEW:
            pass
        self._open.set()

    async def _begun_until_next_look(self) -> int:
        before = self._begun
        for _ in range(_TURNS):
            await asyncio.sleep(_TURN_S)
        return self._begun - before
