"""How long a job may still take."""

import time
from collections.abc import Callable


class TimeLeft:
    """Extrapolates from what was seen of the step under way; other steps have another pace.

    Args:
      clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._step = -1
        self._from = (0.0, 0.0)
        self._end: float | None = None

    def update(self, step: int, progress: float) -> None:
        """Takes in how much is done, in [0, 1], and which step is under way."""
        now = self._clock()
        if step != self._step:
            self._step, self._from, self._end = step, (now, progress), None
        begin, progress_then = self._from
        if progress > progress_then:
            self._end = now + (now - begin) * (1 - progress) / (progress - progress_then)

    @property
    def seconds(self) -> float | None:
        """Time that is left, counting down between updates; None where there is nothing to go by yet."""
        return None if self._end is None else max(self._end - self._clock(), 0.0)
