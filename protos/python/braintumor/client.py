"""The client for threads and plain scripts."""

import queue
import threading
from collections.abc import Generator, Iterable, Iterator
from contextlib import ExitStack

import grpc

from braintumor.channel import deadline_s
from braintumor.errors import ServiceError
from braintumor.job_calls import JobCalls
from braintumor.requests import Image, Question, read_image
from braintumor.stream import MAX_IN_FLIGHT, Arrival, Outcome, StreamState
from braintumor.v1.classifier_service_pb2 import (
    GetServiceInfoRequest,
    GetServiceInfoResponse,
    PredictResponse,
    PredictStreamRequest,
    PredictStreamResponse,
)
from braintumor.version_calls import VersionCalls


class Client(JobCalls, VersionCalls):
    """Calls the service; safe to share between threads.

    Calls that find the service away are tried again, up to five attempts in all and within their deadline, unless they
    would then happen twice: those that move a label or delete a job. `predict` and `info` are also where it is busy.

    Args:
      address: host:port, or any target that gRPC knows, such as "dns:///gateway:50051".
      credentials: of the channel, for TLS, as of braintumor.tls.channel_credentials; None is plain text.
      metadata: sent with each call.
      timeout_s: deadline of a call that sets none of its own.
      token: API key or JWT that tells who calls, or a function that returns it: it is asked before each call, and when
        the client is made, so that a token may be renewed. An open stream keeps the one that it began with. What the
        function raises, the call raises.

    Raises:
      ValueError: a token would go over the network in plain text, or gRPC does not send such a token or metadata.
    """

    def predict(
        self,
        image: Image,
        *,
        version: int | None = None,
        version_label: str | None = None,
        explain: bool = False,
        timeout_s: float | None = None,
    ) -> PredictResponse:
        """Classifies one slice.

        Args:
          image: an encoded image file, as bytes or as its path.
          version: number of the version to ask.
          version_label: label of the version to ask; with neither, the one labelled "stable" answers.
          explain: whether to explain the verdict with a heatmap.
          timeout_s: deadline of the call, retries included.

        Raises:
          ServiceError: the service refused or was not reached.
          OSError: the file cannot be read.
          TypeError: the image is neither bytes nor a path.
          ValueError: both a version and a label were given.
        """
        question = Question(version=version, version_label=version_label, explain=explain)
        return self._call(self._classifier.Predict, question.about(read_image(image)), timeout_s)

    def predict_stream(
        self,
        images: Iterable[tuple[str, Image]],
        *,
        version: int | None = None,
        version_label: str | None = None,
        explain: bool = False,
        timeout_s: float | None = None,
    ) -> Generator[tuple[str, Outcome], None, None]:
        """Classifies many slices over one call.

        Args:
          images: ids of the caller's choice, each with an image. Read as answers come in, in another thread.
          version: as in `predict`, as are version_label and explain.
          version_label: see version.
          explain: see version.
          timeout_s: longest wait for the next answer; the stream as a whole has no deadline.

        Returns:
          Pairs of id and outcome in the order of the answers: a PredictResponse, or the error of this one image. One
          with `retry_after_s` asks to send the image once more, after that time. An image that cannot be sent has its
          error at once.

        Raises:
          ServiceError: the service was not reached, or the stream broke; ids without an answer have none.
          Exception: what `images` raised, once the images before it have their answers.
          TypeError: as `predict`, or an id is no str; likewise.
          ValueError: both a version and a label were given.
        """
        question = Question(version=version, version_label=version_label, explain=explain)
        return self._stream(images, question, deadline_s(timeout_s, self._timeout_s))

    def info(self, *, timeout_s: float | None = None) -> GetServiceInfoResponse:
        """Tells what the service is, which versions it answers from, and its limits.

        Raises:
          ServiceError: the service was not reached.
        """
        return self._call(self._classifier.GetServiceInfo, GetServiceInfoRequest(), timeout_s)

    def _stream(
        self, images: Iterable[tuple[str, Image]], question: Question, timeout_s: float
    ) -> Generator[tuple[str, Outcome], None, None]:
        # Tried again where the service is away, as the stream itself is not.
        limits = self.info(timeout_s=timeout_s).limits
        state, exchange, metadata = StreamState(timeout_s), _Exchange(limits.max_image_bytes), self._metadata()
        with state.errors(), self._errors(), ExitStack() as end:
            call = self._classifier.PredictStream(exchange.requests(images, question, state), metadata=metadata)
            end.callback(exchange.end)
            end.callback(call.cancel)
            threading.Thread(target=exchange.receive, args=(call, state), daemon=True).start()
            while (outcome := exchange.next(call, state)) is not None:
                yield outcome
        state.ended()


class _Exchange:
    """Both sides of one stream: gRPC reads requests in a thread, and answers come in by another."""

    def __init__(self, max_image_bytes: int) -> None:
        self._max_image_bytes = max_image_bytes
        self._room = threading.Semaphore(MAX_IN_FLIGHT - 1)
        self._ended = threading.Event()
        self._arrivals: queue.SimpleQueue[Arrival] = queue.SimpleQueue()

    def requests(
        self, images: Iterable[tuple[str, Image]], question: Question, state: StreamState
    ) -> Iterator[PredictStreamRequest]:
        """Yields requests as long as there is room for them; an image that cannot be sent has its outcome at once."""
        try:
            for image_id, image in images:
                try:
                    request = question.about_named(image_id, read_image(image, self._max_image_bytes))
                except (ServiceError, OSError) as err:
                    self._arrivals.put((image_id, err))
                else:
                    state.sent()
                    yield request
                self._room.acquire()
                if self._ended.is_set():
                    return
            state.source_ended()
        except GeneratorExit:
            raise
        except BaseException as err:  # noqa: BLE001 gRPC would only log it; the caller gets it from the stream
            state.source_ended(err)

    def receive(self, call: Iterable[PredictStreamResponse], state: StreamState) -> None:
        """Takes in answers, and how the call ends."""
        try:
            for answer in call:
                self._arrivals.put(state.received(answer))
        except BaseException as err:  # noqa: BLE001 it is the caller's
            self._arrivals.put(err)
        else:
            self._arrivals.put(None)

    def next(self, call: grpc.RpcContext, state: StreamState) -> tuple[str, Outcome] | None:
        """Waits for the next outcome, which makes room for one more image; None at the end.

        Cancels the call when it stalls.

        Raises:
          Exception: what ended the call.
        """
        while True:
            try:
                arrival = self._arrivals.get(timeout=state.poll_s)
            except queue.Empty:
                if state.stalled():
                    state.give_up()
                    call.cancel()
                continue
            if isinstance(arrival, BaseException):
                raise arrival
            self._room.release()
            return arrival

    def end(self) -> None:
        """Lets the sending thread go."""
        self._ended.set()
        self._room.release()
