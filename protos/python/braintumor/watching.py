"""What both clients know of watching a job: what is news, and how long a stream may be."""

import time
from collections.abc import Callable
from typing import Any

import grpc

from braintumor.errors import ServiceError
from braintumor.jobs import Job, job_from
from braintumor.patience import Patience

WATCH_TIMEOUT_S = 60.0
"""For how long the service may be away while a job is watched."""

_LONGEST_STREAM_S = 60.0


class WatchState(Patience):
    """Keeps a watcher at its job over any number of streams. Arguments are those of `Patience`.

    Attributes:
      stream_s: deadline of each stream, when the next one takes over. The service reports on each at once, so one that
        ends without a report had no service behind it. Two of them fit into timeout_s: whatever goes wrong when, it
        takes no longer than twice timeout_s from the last report to the error.
    """

    def __init__(self, timeout_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(timeout_s, clock)
        self.stream_s = min(self._timeout_s / 2, _LONGEST_STREAM_S)
        self._last: Any = None

    def received(self, operation: Any) -> Job | None:
        """Reads a report; None where it tells nothing new, as the first one of each later stream may."""
        self.heard()
        if operation == self._last:
            return None
        self._last = operation
        return job_from(operation)

    def pause_s(self, error: ServiceError | None) -> float:
        """As in `Patience`, also where a stream just ended, though the job has not: None."""
        return super().pause_s(
            error or ServiceError(grpc.StatusCode.INTERNAL, "the stream ended, though the job has not")
        )
