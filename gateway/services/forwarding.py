"""Forwarding of whole services to the trainer."""

import asyncio
import contextlib
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, TypeAlias

import grpc
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass
from google.rpc import status_pb2

from gateway import caller
from gateway.auth.rights import Right, access_to
from gateway.backend.trainer_channel import TrainerChannel
from gateway.errors import DeadlineExceededError, ForwardedError, StoppingError, TrainerUnavailableError
from observability import request_id, tracing
from transport.calls import CALLER_KEY, WAIT
from transport.news import News
from transport.status import DETAILS_KEY, status_of

_Context: TypeAlias = grpc.aio.ServicerContext[Any, Any]
_Metadata: TypeAlias = tuple[tuple[str, str | bytes], ...]

_SENDABLE = re.compile(r"[ -~]*")
"""What gRPC sends as metadata. It takes in more, and a call that it then does not send gets no answer at all."""

# How a call ends where the trainer itself has said nothing, because it is away or left in mid-call.
_AWAY = {
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.UNKNOWN,
}

_LONGEST_CALL_S = 1e8
"""Three years. Some clients say "for ever" as 292 years, where gRPC's clock overflows, and the call ends at once."""

_logger = logging.getLogger(__name__)


class Forwarder:
    """Hands calls on to the trainer as bytes, and its answers back.

    A new method of a forwarded service needs nothing here: one that asks for the right to change what callers are
    answered with is taken for one that does. What goes along: the caller's deadline, or the default one; its metadata
    with the prefix "x-", as far as gRPC sends it, the request id, who calls, its place in a trace; its cancellation.
    What comes back: answers, as long as they are messages of their method, status with details, trailing metadata.

    Args:
      channel: to the trainer.
      default_deadline_s: of calls without a deadline, in seconds.
      moved: called when a call may have changed which version answers, before its caller is told.
    """

    def __init__(
        self, channel: TrainerChannel, default_deadline_s: float, moved: Callable[[], Awaitable[None]]
    ) -> None:
        self._channel = channel
        self._default_deadline_s = default_deadline_s
        self._moved = moved
        self._unbounded: set[grpc.aio.Call] = set()
        self._closed = False
        self._trouble = News()

    def handler_of(self, service: ServiceDescriptor) -> grpc.GenericRpcHandler:
        """Returns what answers the calls of a service.

        Raises:
          ValueError: a method takes a stream of requests, and that is not forwarded.
        """
        handlers = {method.name: self._method_handler(method) for method in service.methods}
        return grpc.method_handlers_generic_handler(service.full_name, handlers)

    def close(self) -> None:
        """Ends what would hold up a drain for as long as a job takes; the callers find another way."""
        self._closed = True
        for call in self._unbounded:
            call.cancel()

    def _method_handler(self, method: MethodDescriptor) -> "grpc.RpcMethodHandler[bytes, bytes]":
        if method.client_streaming:
            raise ValueError(f"{method.full_name} takes a stream of requests, and that is not forwarded")
        path, kind = f"/{method.containing_service.full_name}/{method.name}", GetMessageClass(method.output_type)
        if method.server_streaming:
            return grpc.unary_stream_rpc_method_handler(self._forwarding_stream(path, kind))
        return grpc.unary_unary_rpc_method_handler(self._forwarding(path, kind))

    def _forwarding(self, path: str, kind: type[Message]) -> Callable[[bytes, _Context], Awaitable[bytes]]:
        start: Any = self._channel.unary_unary(path)
        default_s = None if path == WAIT else self._default_deadline_s
        may_move = access_to(path) is Right.ADMIN

        async def forward(request: bytes, context: _Context) -> bytes:
            call = start(request, timeout=_time_of(context, default_s), metadata=_metadata(context))
            try:
                with self._until_closed(call) if default_s is None else contextlib.nullcontext():
                    answer: bytes = await call
            except grpc.aio.AioRpcError as err:
                raise self._error(err, context) from err
            self._trouble.is_news("")
            _hand_back(await call.trailing_metadata(), context)
            _check(answer, kind)
            if may_move:
                await self._moved()
            return answer

        return forward

    def _forwarding_stream(self, path: str, kind: type[Message]) -> Callable[[bytes, _Context], AsyncIterator[bytes]]:
        start: Any = self._channel.unary_stream(path)

        async def forward(request: bytes, context: _Context) -> AsyncIterator[bytes]:
            call = start(request, timeout=_time_of(context, None), metadata=_metadata(context))
            try:
                with self._until_closed(call):
                    async for answer in call:
                        self._trouble.is_news("")
                        _check(answer, kind)
                        yield answer
                    _hand_back(await call.trailing_metadata(), context)
            except grpc.aio.AioRpcError as err:
                raise self._error(err, context) from err

        return forward

    def _error(self, err: grpc.aio.AioRpcError, context: _Context) -> Exception:
        _hand_back(err.trailing_metadata(), context)
        told = _told(err)
        if told is not None:
            self._trouble.is_news("")
            return ForwardedError(told)
        match err.code():
            case grpc.StatusCode.DEADLINE_EXCEEDED:
                return DeadlineExceededError("The trainer did not answer within the call's deadline.")
            case code if code in _AWAY:
                self._tell("trainer cannot be reached", err)
                return TrainerUnavailableError("The trainer cannot be reached.")
            case code:
                self._tell("trainer cannot answer", err)
                return ForwardedError(status_of(code, code.name, "The trainer cannot answer this call."))

    def _tell(self, what: str, err: grpc.aio.AioRpcError) -> None:
        # Once until it answers again: callers look after their jobs every second.
        if self._trouble.is_news(err.code().name):
            _logger.warning(what, extra={"status": err.code().name, "problem": err.details()})

    @contextlib.contextmanager
    def _until_closed(self, call: grpc.aio.Call) -> Iterator[None]:
        """Has `close` end an unbounded call that is awaited inside."""
        self._unbounded.add(call)
        if self._closed:
            call.cancel()
        try:
            yield
        except asyncio.CancelledError:
            if self._closed:
                raise StoppingError("The gateway is about to end; call again.") from None
            raise
        finally:
            self._unbounded.discard(call)
            call.cancel()


def _time_of(context: _Context, default_s: float | None) -> float | None:
    """Returns the time that a call has, in seconds: its caller's or the default one; None for any."""
    given_s = context.time_remaining()
    time_s = default_s if given_s is None else given_s
    return None if time_s is None else min(time_s, _LONGEST_CALL_S)


def _check(answer: bytes, kind: type[Message]) -> None:
    """Raises for an answer that is no message: callers are told what is wrong, not left to their stubs' complaint."""
    try:
        kind.FromString(answer)
    except DecodeError as err:
        raise TrainerUnavailableError("What the trainer answers cannot be read.") from err


def _metadata(context: _Context) -> _Metadata:
    own = {request_id.METADATA_KEY: request_id.current.get(), CALLER_KEY: caller.current.get()}
    given = context.invocation_metadata() or ()
    others = ((key, value) for key, value in given if key.startswith("x-") and key not in own)
    passed_on = ((key, value) for key, value in others if isinstance(value, bytes) or _SENDABLE.fullmatch(value))
    return (*passed_on, *own.items(), *tracing.outgoing())


def _hand_back(metadata: Any, context: _Context) -> None:
    """Adds the trainer's trailing metadata to the call's own, which has the request id."""
    own = context.trailing_metadata() or ()
    taken = {DETAILS_KEY, *(key for key, _ in own)}
    context.set_trailing_metadata((*own, *((key, value) for key, value in metadata or () if key not in taken)))


def _told(err: grpc.aio.AioRpcError) -> status_pb2.Status | None:
    """Returns the trainer's own word; None where there is none that goes with how the call ended."""
    details = dict(err.trailing_metadata() or ()).get(DETAILS_KEY)
    if not isinstance(details, bytes):
        return None
    try:
        status = status_pb2.Status.FromString(details)
    except DecodeError:
        _logger.warning("the trainer's status cannot be read")
        return None
    return status if status.code == err.code().value[0] else None
