"""Interceptor that gives every call an id."""

from contextlib import AbstractAsyncContextManager
from typing import Any

import grpc

from gateway.interceptors.around import AroundInterceptor
from observability import request_id


class RequestIdInterceptor(AroundInterceptor):
    """Takes the id from the caller's metadata, or makes one; it goes to the logs and back in trailing metadata."""

    def around(self, method: str, context: grpc.aio.ServicerContext[Any, Any]) -> AbstractAsyncContextManager[None]:
        """Sets the id of the call's task, which ends with the call."""
        metadata = context.invocation_metadata() or ()
        offered = next((value for key, value in metadata if key == request_id.METADATA_KEY), None)
        return _Identified(request_id.accept(offered), context)


class _Identified:
    def __init__(self, identity: str, context: grpc.aio.ServicerContext[Any, Any]) -> None:
        self._identity = identity
        self._context = context

    async def __aenter__(self) -> None:
        request_id.current.set(self._identity)
        self._context.set_trailing_metadata(((request_id.METADATA_KEY, self._identity),))

    async def __aexit__(self, *_: object) -> None:
        pass
