"""Interceptor that tells who makes a call."""

from contextlib import AbstractAsyncContextManager
from typing import Any

import grpc

from gateway import caller
from gateway.interceptors.around import AroundInterceptor


class CallerInterceptor(AroundInterceptor):
    """Takes the name in its certificate for a call's caller, or the host that the call comes from."""

    def around(self, method: str, context: grpc.aio.ServicerContext[Any, Any]) -> AbstractAsyncContextManager[None]:
        """Sets the caller of the call's task, which ends with the call."""
        return _Called(caller.certified_name(context.auth_context()) or caller.host_of(context.peer()))


class _Called:
    def __init__(self, name: str) -> None:
        self._name = name

    async def __aenter__(self) -> None:
        caller.current.set(self._name)

    async def __aexit__(self, *_: object) -> None:
        pass
