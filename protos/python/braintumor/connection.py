"""A channel to the service, for threads: what all parts of `Client` share."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Self, TypeVar

import grpc
from google.longrunning.operations_pb2_grpc import OperationsStub

from braintumor.channel import DEFAULT_ADDRESS, DEFAULT_TIMEOUT_S, Token, channel_options, deadline_s, metadata_source
from braintumor.errors import ServiceError, service_errors
from braintumor.v1.classifier_service_pb2_grpc import ClassifierServiceStub
from braintumor.v1.model_service_pb2_grpc import ModelServiceStub
from braintumor.v1.trainer_service_pb2_grpc import TrainerServiceStub

_Request = TypeVar("_Request")
_Response = TypeVar("_Response")


class Connection:
    """Opens a channel; calls on it have a deadline and raise ServiceError. Arguments are those of `Client`."""

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
        options = channel_options(address)
        self._channel = (
            grpc.secure_channel(address, credentials, options)
            if credentials
            else grpc.insecure_channel(address, options)
        )
        self._classifier = ClassifierServiceStub(self._channel)
        self._trainer = TrainerServiceStub(self._channel)
        self._models = ModelServiceStub(self._channel)
        self._operations = OperationsStub(self._channel)
        self._timeout_s = timeout_s
        self._closed = False

    def close(self) -> None:
        """Ends all calls under way."""
        self._closed = True
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _call(
        self, method: "grpc.UnaryUnaryMultiCallable[_Request, _Response]", request: _Request, timeout_s: float | None
    ) -> _Response:
        metadata = self._metadata()  # apart: what a function for the token raises is no error of this service
        with self._errors():
            return method(request, timeout=deadline_s(timeout_s, self._timeout_s), metadata=metadata)

    def _pages(
        self, method: "grpc.UnaryUnaryMultiCallable[_Request, _Response]", request: Any, timeout_s: float | None
    ) -> Iterator[_Response]:
        """Calls for one page after the other of a list; each call has the deadline."""
        while True:
            page: Any = self._call(method, request, timeout_s)
            yield page
            request.page_token = page.next_page_token
            if not request.page_token:
                return

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Raises errors of gRPC as ServiceError, also its ValueError where `close` came before the call."""
        try:
            with service_errors():
                yield
        except ValueError as err:
            if not self._closed:
                raise
            raise ServiceError(grpc.StatusCode.CANCELLED, "the client was closed") from err
