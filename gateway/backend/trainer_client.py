"""Calls of the gateway itself to the trainer."""

from typing import Any

import grpc
from braintumor.v1.model_service_pb2 import GetModelVersionRequest, GetModelVersionResponse
from google.protobuf.message import DecodeError
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

from gateway.backend.trainer_channel import TrainerChannel
from gateway.errors import TrainerUnavailableError

_TIMEOUT_S = 1.0


class TrainerClient:
    """A trainer, as far as the gateway needs to know of it."""

    def __init__(self, channel: TrainerChannel) -> None:
        # Answers are read here, and not by gRPC, which makes None of what is no message.
        self._check = channel.unary_unary("/grpc.health.v1.Health/Check")
        self._get_model_version = channel.unary_unary("/braintumor.v1.ModelService/GetModelVersion")

    async def is_serving(self) -> bool:
        """Tells whether it can be reached and says that it is well."""
        try:
            answer = await self._answer(self._check, HealthCheckRequest(), HealthCheckResponse)
        except TrainerUnavailableError:
            return False
        return bool(answer.status == HealthCheckResponse.SERVING)

    async def canary_percent(self, version: int) -> float:
        """Returns the share of the unlabelled traffic that a version shall get, in percent.

        Raises:
          TrainerUnavailableError: it cannot be told at the moment.
        """
        request = GetModelVersionRequest(version=version)
        answer = await self._answer(self._get_model_version, request, GetModelVersionResponse)
        percent: float = answer.model_version.canary_percent
        if not 0 <= percent <= 100:
            raise TrainerUnavailableError(f"The trainer says that the canary gets {percent:g} percent.")
        return percent

    async def _answer(self, method: Any, request: Any, kind: Any) -> Any:
        try:
            return kind.FromString(await method(request.SerializeToString(), timeout=_TIMEOUT_S))
        except (grpc.aio.AioRpcError, DecodeError) as err:
            raise TrainerUnavailableError("The trainer does not answer.") from err
