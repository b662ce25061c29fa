"""The client for asyncio."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterable
from contextlib import ExitStack
from typing import Any, TypeAlias

import grpc.aio

from braintumor.async_job_calls import AsyncJobCalls
from braintumor.async_version_calls import AsyncVersionCalls
from braintumor.channel import deadline_s
from braintumor.errors import LOST_RACE, ServiceError
from braintumor.requests import Image, Question, read_image
from braintumor.stream import MAX_IN_FLIGHT, Arrival, Outcome, StreamState
from braintumor.v1.classifier_service_pb2 import (
    GetServiceInfoRequest,
    GetServiceInfoResponse,
    PredictResponse,
    PredictStreamRequest,
    PredictStreamResponse,
)

_Images: TypeAlias = Iterable[tuple[str, Image]] | AsyncIterable[tuple[str, Image]]
_Call: TypeAlias = "grpc.aio.StreamStreamCall[PredictStreamRequest, PredictStreamResponse]"


class AsyncClient(AsyncJobCalls, AsyncVersionCalls):
    """Calls the service from coroutines. Make it inside a running event loop; arguments are those of `Client`.

    Args:
      address: host:port, or any target that gRPC knows.
      credentials: of the channel, for TLS; None is plain text.
      metadata: sent with each call.
      timeout_s: deadline of a call that sets none of its own.
      token: API key or JWT that tells who calls, or a function that returns the one that is good now, without waiting.
    """

    async def predict(
        self,
        image: Image,
        *,
        version: int | None = None,
        version_label: str | None = None,
        explain: bool = False,
        timeout_s: float | None = None,
    ) -> PredictResponse:
        """Classifies one slice, as `Client.predict` does; a file is read in a thread."""
        question = Question(version=version, version_label=version_label, explain=explain)
        return await self._call(self._classifier.Predict, question.about(await _read(image)), timeout_s)

    def predict_stream(
        self,
        images: _Images,
        *,
        version: int | None = None,
        version_label: str | None = None,
        explain: bool = False,
        timeout_s: float | None = None,
    ) -> AsyncGenerator[tuple[str, Outcome], None]:
        """Classifies many slices over one call, as `Client.predict_stream` does; images may be an async iterable."""
        question = Question(version=version, version_label=version_label, explain=explain)
        return self._stream(images, question, deadline_s(timeout_s, self._timeout_s))

    async def info(self, *, timeout_s: float | None = None) -> GetServiceInfoResponse:
        """Tells what the service is, as `Client.info` does."""
        return await self._call(self._classifier.GetServiceInfo, GetServiceInfoRequest(), timeout_s)

    async def _stream(
        self, images: _Images, question: Question, timeout_s: float
    ) -> AsyncGenerator[tuple[str, Outcome], None]:
        # Tried again where the service is away, as the stream itself is not.
        limits = (await self.info(timeout_s=timeout_s)).limits
        state, exchange, metadata = StreamState(timeout_s), _Exchange(limits.max_image_bytes), self._metadata()
        with state.errors(), self._errors(), ExitStack() as end:
            call = self._classifier.PredictStream(exchange.requests(images, question, state), metadata=metadata)
            end.callback(exchange.end)
            end.callback(call.cancel)
            receiving = asyncio.create_task(exchange.receive(self._answers(call, timeout_s), state))
            end.callback(receiving.cancel)
            while (outcome := await exchange.next(call, state)) is not None:
                yield outcome
        state.ended()

    async def _answers(self, call: "_Call", timeout_s: float) -> AsyncIterator[PredictStreamResponse]:
        """Yields what comes. Where grpc.aio has lost why no more does, a stream without images is to end likewise."""
        try:
            async for answer in call:
                yield answer
        except grpc.aio.AioRpcError as err:
            if err.details() == LOST_RACE:
                async for _ in self._classifier.PredictStream(iter(()), timeout=timeout_s, metadata=self._metadata()):
                    pass
            raise


class _Exchange:
    """Both sides of one stream, as those of `Client`."""

    def __init__(self, max_image_bytes: int) -> None:
        self._max_image_bytes = max_image_bytes
        self._room = asyncio.Semaphore(MAX_IN_FLIGHT - 1)
        self._arrivals: asyncio.Queue[Arrival] = asyncio.Queue()
        self._sending: asyncio.Task[Any] | None = None

    async def requests(
        self, images: _Images, question: Question, state: StreamState
    ) -> AsyncIterator[PredictStreamRequest]:
        self._sending = asyncio.current_task()
        try:
            async for image_id, image in _each(images):
                try:
                    request = question.about_named(image_id, await _read(image, self._max_image_bytes))
                except (ServiceError, OSError) as err:
                    self._arrivals.put_nowait((image_id, err))
                else:
                    state.sent()
                    yield request
                await self._room.acquire()
            state.source_ended()
        except Exception as err:  # noqa: BLE001 gRPC would only log it; the caller gets it from the stream
            state.source_ended(err)

    async def receive(self, answers: AsyncIterable[PredictStreamResponse], state: StreamState) -> None:
        try:
            async for answer in answers:
                self._arrivals.put_nowait(state.received(answer))
        except BaseException as err:  # noqa: BLE001 it is the caller's, as is the end of a call that was cancelled
            self._arrivals.put_nowait(err)
        else:
            self._arrivals.put_nowait(None)

    async def next(self, call: "_Call", state: StreamState) -> tuple[str, Outcome] | None:
        while True:
            try:
                async with asyncio.timeout(state.poll_s):
                    arrival = await self._arrivals.get()
            except TimeoutError:
                if state.stalled():
                    state.give_up()
                    call.cancel()
                continue
            if isinstance(arrival, BaseException):
                raise arrival
            self._room.release()
            return arrival

    def end(self) -> None:
        """Takes no more images: where the service has ended the call, gRPC would leave its task waiting for one."""
        if self._sending is not None:
            self._sending.cancel()


async def _each(images: _Images) -> AsyncIterator[tuple[str, Image]]:
    if isinstance(images, AsyncIterable):
        async for named in images:
            yield named
    else:
        for named in images:
            yield named


async def _read(image: Image, max_image_bytes: int = 0) -> bytes:
    if isinstance(image, bytes):
        return read_image(image, max_image_bytes)
    return await asyncio.to_thread(read_image, image, max_image_bytes)
