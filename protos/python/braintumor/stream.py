"""What both clients know of a stream: what is owed, since when, and what an answer means."""

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

import grpc

from braintumor.errors import ServiceError, from_status
from braintumor.v1.classifier_service_pb2 import PredictResponse, PredictStreamResponse

MAX_IN_FLIGHT = 128
"""Images of one stream that wait for an answer: enough to keep the service's batches full, and no folder in memory."""

Outcome: TypeAlias = PredictResponse | ServiceError | OSError
"""What became of one image: the verdict, why the service gave none, or why its file could not be read."""


class StreamState:
    """Tells a stream that has stalled from one whose caller or source takes its time.

    The sending side calls `sent`, `unsent` and `source_ended`, whoever cancels the call of a stalled stream calls
    `give_up`, and the receiving side the rest. Each counter has one writer, so that their threads need no lock.

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
        self._is_waiting = False
        self._given_up = False
        self._source_ended = False
        self._source_error: BaseException | None = None
        self._unsent: deque[tuple[str, ServiceError | OSError]] = deque()

    def sent(self) -> None:
        """A request goes out."""
        if self._sent == self._received:
            self._owed_since = self._clock()
        self._sent += 1

    def unsent(self, image_id: str, error: ServiceError | OSError) -> None:
        """An image is not sent, because its file cannot be read, or is too large."""
        self._unsent.append((image_id, error))

    def source_ended(self, error: BaseException | None = None) -> None:
        """There are no more images, or the error keeps them from coming."""
        self._source_error = error
        self._source_ended = True

    def waiting(self) -> None:
        """The caller wants the next answer."""
        self._owed_since = self._clock()
        self._is_waiting = True

    def received(self, answer: PredictStreamResponse) -> Iterator[tuple[str, Outcome]]:
        """An answer came in. Yields what the caller gets: it, and what could not be sent meanwhile."""
        self._is_waiting = False
        self._received += 1
        failed = answer.WhichOneof("result") == "error"
        yield answer.id, from_status(answer.error) if failed else answer.response
        while self._unsent:
            yield self._unsent.popleft()

    def ended(self) -> Iterator[tuple[str, Outcome]]:
        """The call has ended well. Yields what could not be sent since the last answer.

        Raises:
          ServiceError: it ended before every image had an answer.
          Exception: what the source of the images raised.
        """
        yield from self._unsent
        if self._source_error is not None:
            raise self._source_error
        if not self._source_ended or self._sent > self._received:
            message = f"the stream ended with {self._received} answers to {self._sent} images"
            raise ServiceError(grpc.StatusCode.INTERNAL, message)

    def stalled(self) -> bool:
        """Whether an answer is owed, and the caller has waited for it beyond the limit."""
        owed = self._is_waiting and self._sent > self._received
        return owed and self._clock() - self._owed_since > self._timeout_s

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
