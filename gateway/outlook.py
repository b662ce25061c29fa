"""What awaits an image at a stage of its way."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

_WEIGHT = 0.2
"""Weight of the newest time in the mean: twenty times later a standstill counts for 1 % of it."""

_LASTS_S = 60.0
"""How long a mean counts without a newer time: what was slow in some trouble must not refuse the images after it."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """What awaits an image that comes now, in seconds."""

    wait_s: float = 0.0
    """Time until its turn."""
    work_s: float = 0.0
    """Time from its turn to the end of the stage."""

    def __add__(self, other: "Outlook") -> "Outlook":
        return Outlook(self.wait_s + other.wait_s, self.work_s + other.work_s)


OutlookOf: TypeAlias = Callable[[], Outlook]
"""Tells the outlook at present."""


class MeanTime:
    """Moving mean of how long something takes. What is long ago no longer counts.

    Args:
      clock: seconds that only grow.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._mean_s = 0.0
        self._noted_s = 0.0

    @property
    def seconds(self) -> float:
        """The mean, in seconds; 0 where nothing is known."""
        return self._mean_s if self._clock() < self._noted_s + _LASTS_S else 0.0

    def note(self, seconds: float) -> None:
        """Takes the newest time into the mean."""
        mean_s = self.seconds
        self._mean_s = mean_s + _WEIGHT * (seconds - mean_s) if mean_s else seconds
        self._noted_s = self._clock()
