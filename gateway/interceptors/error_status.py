"""Interceptor that turns errors into gRPC statuses with details."""

from contextlib import AbstractAsyncContextManager

import grpc
from google.rpc import error_details_pb2, status_pb2

from gateway.interceptors.around import AroundInterceptor, Context
from gateway.status import to_status
from transport.status import CODES, DETAILS_KEY

_PUSHBACK_KEY = "grpc-retry-pushback-ms"


class ErrorStatusInterceptor(AroundInterceptor):
    """Where exceptions leave a call: as `gateway.status` words them. Those of one image of a stream are its answer."""

    def around(self, method: str, context: Context) -> AbstractAsyncContextManager[None]:
        """Ends the call with a status where its handler raises."""
        return _Mapped(context)


class _Mapped:
    def __init__(self, context: Context) -> None:
        self._context = context

    async def __aenter__(self) -> None:
        pass

    async def __aexit__(self, _kind: object, error: BaseException | None, traceback: object) -> None:
        # Cancellation is no Exception, and what gRPC raises itself tells of a call that has ended already.
        if not isinstance(error, Exception) or isinstance(error, grpc.aio.BaseError):
            return
        status = to_status(error)
        # gRPC keeps for the call what `abort` raises, and so the frames that it came through, which know the call: a
        # circle that is there until garbage is collected. Frames that have the image shall be no part of it.
        del error, traceback
        told = (DETAILS_KEY, status.SerializeToString()), *_pushback(status, self._context.time_remaining())
        metadata = (*self._context.trailing_metadata(), *told)
        try:
            await self._context.abort(CODES[status.code], status.message, metadata)
        except grpc.aio.AbortError as aborted:
            aborted.__context__ = None
            raise


def _pushback(status: status_pb2.Status, remaining_s: float | None) -> tuple[tuple[str, str], ...]:
    """Tells clients that retry by themselves when to: as RetryInfo says, and not at all where no time is left for it.

    Without it they would go on until their deadline, which is all that their callers were then told.
    Source: gRFC A6, server pushback.
    """
    retry = error_details_pb2.RetryInfo()
    if not any(detail.Unpack(retry) for detail in status.details):
        return ()
    pause_ms = retry.retry_delay.ToMilliseconds()
    too_late = remaining_s is not None and pause_ms >= remaining_s * 1000
    return ((_PUSHBACK_KEY, "-1" if too_late else str(pause_ms)),)
