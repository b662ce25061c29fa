"""What both clients know of a stream: what is owed, since when, and what an answer means."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

import grpc

from braintumor.errors import ServiceError, from_status
from braintumor.v1.classifier_service_pb2 import PredictResponse, PredictStreamResponse

MAX_IN_FLIGHT = 128
"""Images of one stream that wait for an answer, or for the caller to take it.

Enough to keep the service's batches full, and no folder in memory.
"""

Outcome: TypeAlias = PredictResponse | ServiceError | OSError
"""What became of one image: the verdict, why the service gave none, or why its file could not be read."""

Arrival: TypeAlias = tuple[str, Outcome] | BaseException | None
"""What comes to who waits for outcomes: one, the error that ended the call, or that it has ended well."""


class StreamState:
    """Tells a stream that has stalled from one whose caller or source takes its time.

    The sending side calls `sent` and `source_ended`, the receiving side `received`, and who waits for outcomes the
    rest. Each counter has one writer, so that their threads need no lock.

    Args:
      timeout_s: longest wait for the next answer while one is owed.
      clock: monotonic seconds.
    """

    def __init__(self, timeout_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.poll_s = timeout_s / 10
        self._timeout_s = timeout_s
        self._clock = clock
        self._sent = 0
        self._received = 0
        self._owed_since = 0.0
        self._given_up = False
        self._source_ended = False
        self._source_error: BaseException | None = None

    def sent(self) -> None:
        """A request goes out."""
        if self._sent == self._received:
            self._owed_since = self._clock()
        self._sent += 1

    def source_ended(self, error: BaseException | None = None) -> None:
        """There are no more images, or the error keeps them from coming."""
        self._source_error = error
        self._source_ended = True

    def received(self, answer: PredictStreamResponse) -> tuple[str, Outcome]:
        """An answer came in. Returns what the caller gets."""
        self._owed_since = self._clock()
        self._received += 1
        failed = answer.WhichOneof("result") == "error"
        return answer.id, from_status(answer.error) if failed else answer.response

    def ended(self) -> None:
        """The call has ended well.

        Raises:
          ServiceError: it ended before every image had an answer.
          Exception: what the source of the images raised.
        """
        if self._source_error is not None:
            raise self._source_error
        if not self._source_ended or self._sent > self._received:
            message = f"the stream ended with {self._received} answers to {self._sent} images"
            raise ServiceError(grpc.StatusCode.INTERNAL, message)

    def stalled(self) -> bool:
        """Whether an answer is owed beyond the limit."""
        return self._sent > self._received and self._clock() - self._owed_since > self._timeout_s

    def give_up(self) -> None:
        """The call is about to be cancelled, because it has stalled."""
        self._given_up = True

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Raises the error of a stream that was given up as DEADLINE_EXCEEDED, and any other as it is."""
        try:
            yield
        except ServiceError as err:
            if not self._given_up:
                raise
            message = f"no answer on the stream for {self._timeout_s:g} s"
            raise ServiceError(grpc.StatusCode.DEADLINE_EXCEEDED, message) from err
