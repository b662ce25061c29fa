"""grpc.health.v1, kept true while the server runs."""

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
        self._servicer = health.HealthServicer()
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
        """NOT_SERVING from now on, whatever comes."""
        self._servicer.enter_graceful_shutdown()
