"""A channel to the service, for asyncio: what all parts of `AsyncClient` share."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Self, TypeVar

import grpc
import grpc.aio
from google.longrunning.operations_pb2_grpc import OperationsStub

from braintumor.channel import DEFAULT_ADDRESS, DEFAULT_TIMEOUT_S, Token, channel_options, deadline_s, metadata_source
from braintumor.errors import ServiceError, service_errors
from braintumor.v1.classifier_service_pb2_grpc import ClassifierServiceStub
from braintumor.v1.model_service_pb2_grpc import ModelServiceStub
from braintumor.v1.trainer_service_pb2_grpc import TrainerServiceStub

_Request = TypeVar("_Request")
_Response = TypeVar("_Response")


class AsyncConnection:
    """Opens a channel; calls on it have a deadline and raise ServiceError. Arguments are those of `Client`.

    Raises:
      RuntimeError: there is no running event loop; gRPC would take another one, to which the calls then belong.
    """

    def __init__(
        self,
        address: str = DEFAULT_ADDRESS,
        *,
        credentials: grpc.ChannelCredentials | None = None,
        metadata: Sequence[tuple[str, str]] = (),
        timeout_s: float = DEFAULT_TIMEOUT_S,
        token: Token | None = None,
    ) -> None:
        self._metadata = metadata_source(address, credentials is not None, tuple(metadata), token)
        _need_running_loop()
        options = channel_options(address)
        self._channel = (
            grpc.aio.secure_channel(address, credentials, options)
            if credentials
            else grpc.aio.insecure_channel(address, options)
        )
        self._classifier = ClassifierServiceStub(self._channel)
        self._trainer = TrainerServiceStub(self._channel)
        self._models = ModelServiceStub(self._channel)
        self._operations = OperationsStub(self._channel)
        self._timeout_s = timeout_s
        self._closed = False

    async def close(self) -> None:
        """Ends all calls under way."""
        self._closed = True
        await self._channel.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _call(
        self,
        method: "grpc.aio.UnaryUnaryMultiCallable[_Request, _Response]",
        request: _Request,
        timeout_s: float | None,
    ) -> _Response:
        metadata = self._metadata()  # apart: what a function for the token raises is no error of this service
        with self._errors():
            return await method(request, timeout=deadline_s(timeout_s, self._timeout_s), metadata=metadata)

    async def _pages(
        self, method: "grpc.aio.UnaryUnaryMultiCallable[_Request, _Response]", request: Any, timeout_s: float | None
    ) -> AsyncIterator[_Response]:
        """Calls for one page after the other of a list; each call has the deadline."""
        while True:
            page: Any = await self._call(method, request, timeout_s)
            yield page
            request.page_token = page.next_page_token
            if not request.page_token:
                return

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Raises errors of gRPC as ServiceError, also where `close` ended the call, or came before it.

        For gRPC the task of the one is cancelled, and the other is wrong usage. A call that breaks off as a request is
        written may be a cancelled task too, which it is for its caller only where somebody has cancelled that.
        """
        try:
            with service_errors():
                yield
        except (asyncio.CancelledError, grpc.aio.UsageError) as err:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            if self._closed:
                raise ServiceError(grpc.StatusCode.CANCELLED, "the client was closed") from err
            if isinstance(err, grpc.aio.UsageError):
                raise
            raise ServiceError(grpc.StatusCode.UNAVAILABLE, "the call broke off") from err


def _need_running_loop() -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError as err:
        raise RuntimeError("an AsyncClient is made inside a running event loop, as in a coroutine") from err
