"""Interceptor that turns errors into gRPC statuses with details."""

from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Any

import grpc

from gateway.interceptors.around import AroundInterceptor
from gateway.status import to_status

_DETAILS_KEY = "grpc-status-details-bin"
_CODES = {code.value[0]: code for code in grpc.StatusCode}


class ErrorStatusInterceptor(AroundInterceptor):
    """The one place where exceptions leave the process: as `gateway.status` words them."""

    def around(self, method: str, context: grpc.aio.ServicerContext[Any, Any]) -> AbstractAsyncContextManager[None]:
        """Ends the call with a status where its handler raises."""
        return _Mapped(context)


class _Mapped:
    def __init__(self, context: grpc.aio.ServicerContext[Any, Any]) -> None:
        self._context = context

    async def __aenter__(self) -> None:
        pass

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # Cancellation is no Exception, and what gRPC raises itself tells of a call that has ended already.
        if not isinstance(error, Exception) or isinstance(error, grpc.aio.BaseError):
            return
        status = to_status(error)
        metadata = (*self._context.trailing_metadata(), (_DETAILS_KEY, status.SerializeToString()))
        await self._context.abort(_CODES[status.code], status.message, metadata)
