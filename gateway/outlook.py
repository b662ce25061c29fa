"""What awaits an image at a stage of its way."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

_WEIGHT = 0.2
"""Of the newest time in the mean: after some twenty more nothing of a standstill is left in it."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """What awaits an image that comes now, in seconds."""

    wait_s: float = 0.0
    """Until its turn."""
    work_s: float = 0.0
    """From then on."""

    def __add__(self, other: "Outlook") -> "Outlook":
        return Outlook(self.wait_s + other.wait_s, self.work_s + other.work_s)


OutlookOf: TypeAlias = Callable[[], Outlook]
"""Tells the outlook at present."""


class MeanTime:
    """Moving mean of how long something takes."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def note(self, seconds: float) -> None:
        """Takes the newest time into the mean."""
        self.seconds += _WEIGHT * (seconds - self.seconds) if self.seconds else seconds
