"""What both clients know of watching a job: what is news, and when to open a broken stream again."""

import random
import time
from collections.abc import Callable
from typing import Any

import grpc

from braintumor.channel import deadline_s
from braintumor.errors import ServiceError
from braintumor.jobs import Job, job_from

WATCH_TIMEOUT_S = 60.0
"""For how long the service may be away while a job is watched."""

_LONGEST_STREAM_S = 60.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 5.0

# What a job's stream ends with when the service, or the way to it, goes away.
_BROKEN = {
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.UNKNOWN,
}


class WatchState:
    """Keeps a watcher at its job over any number of streams.

    Args:
      timeout_s: longest time without a report from the start, or from the end of a stream that brought one.
      clock: monotonic seconds.

    Raises:
      ValueError: the time is no number.

    Attributes:
      stream_s: deadline of each stream, when the next one takes over. The service reports on each at once, so one that
        ends without a report had no service behind it. Two of them fit into timeout_s: whatever goes wrong when, it
        takes no longer than twice timeout_s from the last report to the error.
    """

    def __init__(self, timeout_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._timeout_s = deadline_s(timeout_s, WATCH_TIMEOUT_S)
        self.stream_s = min(self._timeout_s / 2, _LONGEST_STREAM_S)
        self._clock = clock
        self._last: Any = None
        self._heard = False
        self._backoff_s = _FIRST_PAUSE_S
        self._away_since = clock()

    def received(self, operation: Any) -> Job | None:
        """Reads a report; None where it tells nothing new, as the first one of each later stream may."""
        self._heard = True
        if operation == self._last:
            return None
        self._last = operation
        return job_from(operation)

    def pause_s(self, error: ServiceError | None) -> float:
        """Returns how long to wait before the next stream.

        Args:
          error: what the last one ended with; None where it just ended, though the job has not.

        Raises:
          ServiceError: the error, where the next stream would fare no better or the service is away for too long.
        """
        error = error or ServiceError(grpc.StatusCode.INTERNAL, "the stream ended, though the job has not")
        now = self._clock()
        if self._heard:
            self._heard, self._backoff_s, self._away_since = False, _FIRST_PAUSE_S, now
        left_s = self._away_since + self._timeout_s - now
        if not _is_passing(error) or left_s <= 0:
            raise error
        self._backoff_s = min(2 * self._backoff_s, _LONGEST_PAUSE_S)
        return min(self._backoff_s * random.uniform(0.5, 1.0), left_s)  # noqa: S311 no secret


def _is_passing(error: ServiceError) -> bool:
    if error.retry_after_s is not None or error.code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return True  # The deadline is the stream's own, whether it is us who notice or the service.
    return not error.reason and error.code in _BROKEN
