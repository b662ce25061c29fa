"""braintumor.v1.TrainerService."""

# ruff: noqa: ARG002, N802 the contract names the methods, and gRPC passes both arguments

from typing import Any, NoReturn, TypeAlias

import grpc
from braintumor.v1 import trainer_service_pb2 as pb2
from braintumor.v1.trainer_service_pb2_grpc import TrainerServiceServicer

from gateway.errors import NotBuiltError

_Context: TypeAlias = grpc.aio.ServicerContext[Any, Any]


class TrainerService(TrainerServiceServicer):
    """Retraining. Not built yet."""

    async def Retrain(self, request: pb2.RetrainRequest, context: _Context) -> NoReturn:
        """Not built yet."""
        raise NotBuiltError("Retrain is not available in this release; retrain with: python -m trainer train.")

    async def WatchRetrain(  # type: ignore[override]  # grpc.aio also takes handlers that write
        self, request: pb2.WatchRetrainRequest, context: _Context
    ) -> NoReturn:
        """Not built yet."""
        raise NotBuiltError("WatchRetrain is not available in this release; there are no retraining jobs yet.")

    async def Evaluate(self, request: pb2.EvaluateRequest, context: _Context) -> NoReturn:
        """Not built yet."""
        raise NotBuiltError("Evaluate is not available in this release; evaluate with: python -m trainer evaluate.")
