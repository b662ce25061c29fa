"""Calls of the gateway itself to the trainer."""

import grpc
from braintumor.v1.model_service_pb2 import GetModelVersionRequest
from braintumor.v1.model_service_pb2_grpc import ModelServiceStub
from grpc_health.v1 import health_pb2, health_pb2_grpc

from gateway.errors import TrainerUnavailableError


class TrainerClient:
    """A trainer, as far as the gateway needs to know of it."""

    def __init__(self, channel: grpc.aio.Channel, timeout_s: float = 1.0) -> None:
        self._health = health_pb2_grpc.HealthStub(channel)
        self._models = ModelServiceStub(channel)
        self._timeout_s = timeout_s

    async def is_serving(self) -> bool:
        """Tells whether it can be reached and says that it is well."""
        try:
            answer = await self._health.Check(health_pb2.HealthCheckRequest(), timeout=self._timeout_s)
        except grpc.aio.AioRpcError:
            return False
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)

    async def canary_percent(self, version: int) -> float:
        """Returns the share of the unlabelled traffic that a version shall get, in percent.

        Raises:
          TrainerUnavailableError: it cannot be told at the moment.
        """
        request = GetModelVersionRequest(version=version)
        try:
            answer = await self._models.GetModelVersion(request, timeout=self._timeout_s)
        except grpc.aio.AioRpcError as err:
            raise TrainerUnavailableError("The trainer does not tell the canary's share.") from err
        return answer.model_version.canary_percent
