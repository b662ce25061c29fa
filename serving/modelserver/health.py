"""grpc.health.v1, kept true while the server runs."""

from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

_NAMES = (
    "",
    "ModelService",
    "PredictionService",
    "tensorflow.serving.ModelService",
    "tensorflow.serving.PredictionService",
)
"""The original's names are unqualified; the last two are what clients expect."""


class Health:
    """SERVING while every configured model has a version that serves. The original sets it once, at start."""

    def __init__(self, server: grpc.Server) -> None:
        self._servicer = _Servicer()
        self._serving: bool | None = None
        health_pb2_grpc.add_HealthServicer_to_server(self._servicer, server)

    def update(self, *, serving: bool) -> None:
        """Tells watchers, if it is news."""
        if serving == self._serving:
            return
        self._serving = serving
        statuses = health_pb2.HealthCheckResponse
        for name in _NAMES:
            self._servicer.set(name, statuses.SERVING if serving else statuses.NOT_SERVING)

    def drain(self) -> None:
        """NOT_SERVING from now on, whatever comes. Whoever watches is told, and sent away."""
        self._servicer.enter_graceful_shutdown()
        self._servicer.end_watches()


class _Servicer(health.HealthServicer):  # type: ignore[misc] # has no types
    """gRPC's own, whose watches are calls in progress that never end."""

    def __init__(self) -> None:
        super().__init__()
        self._ended = False
        self._watches: set[grpc.ServicerContext] = set()

    def Watch(  # noqa: N802 the RPC's name
        self, request: Any, context: grpc.ServicerContext, send_response_callback: Any = None
    ) -> Any:
        """Statuses of a service, as they change."""
        self._watches.add(context)
        context.add_callback(lambda: self._watches.discard(context))
        watcher = super().Watch(request, context, send_response_callback)
        if self._ended:
            context.cancel()
        return watcher

    def end_watches(self) -> None:
        """Also those to come."""
        self._ended = True
        for context in [*self._watches]:
            context.cancel()
