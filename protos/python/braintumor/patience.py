"""When to open a broken stream again, and when to send an image once more."""

import random
import time
from collections.abc import Callable

import grpc

from braintumor.channel import DEFAULT_TIMEOUT_S, deadline_s
from braintumor.errors import ServiceError

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 5.0

# What a stream ends with when the service, or the way to it, goes away.
_BROKEN = {
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.UNKNOWN,
}


class Patience:
    """Tells a service that is away for a moment from one that is not worth waiting for.

    Args:
      timeout_s: longest time without a word from the start, or from the end of a stream that brought one.
      clock: monotonic seconds.

    Raises:
      ValueError: the time is no number.
    """

    def __init__(self, timeout_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._timeout_s = deadline_s(timeout_s, DEFAULT_TIMEOUT_S)
        self._clock = clock
        self._heard = False
        self._backoff_s = _FIRST_PAUSE_S
        self._away_since = self._heard_at = clock()

    def heard(self) -> None:
        """The stream under way brought a word of the service."""
        self._heard = True
        self._heard_at = self._clock()

    def bears(self, refusal: ServiceError) -> bool:
        """Tells whether an image is to be sent once more: the service asks for it, and answered others not long ago."""
        return refusal.retry_after_s is not None and self._clock() < self._heard_at + self._timeout_s

    def pause_s(self, error: ServiceError) -> float:
        """Returns how long to wait before the next stream.

        Args:
          error: what the last one ended with.

        Raises:
          ServiceError: the error, where the next stream would fare no better or the service is away for too long.
        """
        now = self._clock()
        if self._heard:
            self._heard, self._backoff_s, self._away_since = False, _FIRST_PAUSE_S, now
        left_s = self._away_since + self._timeout_s - now
        if not _is_passing(error) or left_s <= 0:
            raise error
        self._backoff_s = min(2 * self._backoff_s, _LONGEST_PAUSE_S)
        pause_s = self._backoff_s * random.uniform(0.5, 1.0)  # noqa: S311 no secret
        return min(max(pause_s, error.retry_after_s or 0.0), left_s)


def _is_passing(error: ServiceError) -> bool:
    if error.retry_after_s is not None or error.code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return True  # The deadline is the stream's own, whether it is us who notice or the service.
    return not error.reason and error.code in _BROKEN
