"""Retries of calls that serving could not take."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import NamedTuple, TypeVar

from gateway.errors import ServingBusyError, ServingUnavailableError
from gateway.telemetry.metrics import RETRIES

_T = TypeVar("_T")


class _Pauses(NamedTuple):
    first_s: float
    longest_s: float
    most: float


# Away, serving may be back at any moment of the caller's time. Busy, it is better to say so soon than to pile up.
_PAUSES = {
    ServingUnavailableError: _Pauses(first_s=0.05, longest_s=0.5, most=float("inf")),
    ServingBusyError: _Pauses(first_s=0.02, longest_s=0.2, most=5),
}
# A caller that gives up at its deadline would not see an answer sent at that very moment.
_MARGIN_S = 0.05


async def retrying(attempt: Callable[[], Awaitable[_T]], deadline: float) -> _T:
    """Tries until serving takes the call, or the pause before the next try would reach the deadline.

    Args:
      attempt: makes the call; runs at least once.
      deadline: when the caller gives up, in seconds of the loop's clock.

    Raises:
      ServingUnavailableError, ServingBusyError: the last try's, when there is no time or patience for another.

    Source: exponential backoff with equal jitter, https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
    """
    tries = 0
    while True:
        try:
            return await attempt()
        except (ServingUnavailableError, ServingBusyError) as err:
            pauses = _PAUSES[type(err)]
            pause_s = min(pauses.first_s * 2.0**tries, pauses.longest_s) * random.uniform(0.5, 1.0)  # noqa: S311 no secret
            remaining_s = deadline - _MARGIN_S - asyncio.get_running_loop().time()
            if tries >= pauses.most or pause_s >= remaining_s:
                raise
            RETRIES.labels(err.reason).inc()
        await asyncio.sleep(pause_s)
        tries += 1
