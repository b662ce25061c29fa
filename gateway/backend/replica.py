"""One serving of several."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol

from numpy.typing import NDArray

from gateway.backend.served_version import Selector, ServedVersion
from gateway.errors import GatewayError, ServingUnavailableError
from gateway.imaging import ImageArray

_SILENCES_OF_THE_LOST = 2
"""Not one: a look may be late where the machine is busy, and the calls would have come back."""


class Serving(Protocol):
    """What a replica does. See ServingClient."""

    async def predict(
        self, version: int, signature: str, images: Sequence[ImageArray], timeout_s: float
    ) -> Mapping[str, NDArray[Any]]:
        """Runs a signature of a version."""

    async def look_up(self, selector: Selector, timeout_s: float) -> ServedVersion:
        """Asks which version a selector leads to."""


class Replica:
    """A serving, and whether it answers.

    Args:
      serving: the calls to it.
      close: ends their channel.
      is_outdated: tells whether a channel that is opened now would get other credentials.
    """

    def __init__(self, serving: Serving, close: Callable[[], Awaitable[None]], is_outdated: Callable[[], bool]) -> None:
        self._serving = serving
        self.close = close
        self.is_outdated = is_outdated
        self._silences = 0
        self._calls: set[asyncio.Timeout] = set()

    @property
    def answers(self) -> bool:
        """Whether it did when it was last heard of."""
        return self._silences == 0

    @property
    def is_lost(self) -> bool:
        """Whether it has been silent for so long that its calls in flight will not come back."""
        return self._silences >= _SILENCES_OF_THE_LOST

    async def probe(self, timeout_s: float) -> None:
        """Finds out whether it answers."""
        outcome = await self.look_up(None, timeout_s)
        self._silences = self._silences + 1 if isinstance(outcome, ServingUnavailableError) else 0

    async def look_up(self, selector: Selector, timeout_s: float) -> ServedVersion | GatewayError:
        """As of ServingClient; an error is returned."""
        try:
            return await self._serving.look_up(selector, timeout_s)
        except GatewayError as err:
            return err

    async def predict(
        self, version: int, signature: str, images: Sequence[ImageArray], timeout_s: float
    ) -> Mapping[str, NDArray[Any]]:
        """As of ServingClient; ServingUnavailableError also where the call was given up."""
        try:
            async with asyncio.timeout(None) as call:
                self._calls.add(call)
                try:
                    return await self._serving.predict(version, signature, images, timeout_s)
                finally:
                    self._calls.discard(call)
        except TimeoutError as err:
            raise ServingUnavailableError("The model server does not answer.") from err
        except ServingUnavailableError:
            self._silences = max(1, self._silences)
            raise

    def give_up(self) -> None:
        """Ends all calls in flight, so that others can take them."""
        while self._calls:
            self._calls.pop().reschedule(asyncio.get_running_loop().time())
