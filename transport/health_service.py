"""grpc.health.v1.Health."""

# ruff: noqa: ARG002, N802 the contract names the methods, and gRPC passes both arguments

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, TypeAlias

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

_Context: TypeAlias = grpc.aio.ServicerContext[Any, Any]
_Status = health_pb2.HealthCheckResponse

PROCESS: str = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name
"""Service that serves as long as the process answers at all, whatever becomes of serving: for liveness probes."""


class HealthService(health_pb2_grpc.HealthServicer):  # type: ignore[misc]  # the package ships no types
    """Health of a process's services.

    Unlike the servicer of grpcio-health-checking it ends its watchers' calls when it closes, so that they do not
    hold up a drain, and a watcher that leaves takes no other one's updates with it.

    Args:
      services: their full names; none serves before it is set.
      unknown: makes the error for a check of another one, of its text.
    """

    def __init__(self, services: Sequence[str], unknown: Callable[[str], Exception]) -> None:
        self._unknown = unknown
        self._statuses = dict.fromkeys(("", *services), _Status.NOT_SERVING) | {PROCESS: _Status.SERVING}
        self._changed = asyncio.Event()
        self._closed = False

    def set(self, service: str, serving: bool) -> None:
        """Sets the status of one service; "" stands for the whole process. Does nothing once closed."""
        status = _Status.SERVING if serving else _Status.NOT_SERVING
        if not self._closed and self._statuses[service] != status:
            self._statuses[service] = status
            self._wake_watchers()

    def close(self) -> None:
        """Makes every service NOT_SERVING for good."""
        for service in self._statuses:
            self.set(service, serving=False)
        self._closed = True
        self._wake_watchers()

    async def Check(self, request: health_pb2.HealthCheckRequest, context: _Context) -> Any:
        """Returns the status of a service that is known."""
        if request.service not in self._statuses:
            # Errors travel in headers, whose size is limited: one as long as callers like would not arrive.
            raise self._unknown("There is no service of that name here.")
        return _Status(status=self._statuses[request.service])

    async def Watch(self, request: health_pb2.HealthCheckRequest, context: _Context) -> AsyncIterator[Any]:
        """Yields the status at once and then whenever it changes, until the process drains."""
        last = None
        while True:
            changed = self._changed  # Taken before the status is read: no change in between is missed.
            status = self._statuses.get(request.service, _Status.SERVICE_UNKNOWN)
            if status != last:
                yield _Status(status=status)
                last = status
            elif self._closed:
                return
            else:
                await changed.wait()

    def _wake_watchers(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
