"""braintumor.v1.ModelService."""

# ruff: noqa: ARG002, N802 the contract names the methods, and gRPC passes both arguments

from typing import Any, NoReturn, TypeAlias

import grpc
from braintumor.v1 import model_service_pb2 as pb2
from braintumor.v1.model_service_pb2_grpc import ModelServiceServicer

from gateway.errors import NotBuiltError

_Context: TypeAlias = grpc.aio.ServicerContext[Any, Any]


class ModelService(ModelServiceServicer):
    """Versions and their labels. Not built yet."""

    async def ListModelVersions(self, request: pb2.ListModelVersionsRequest, context: _Context) -> NoReturn:
        """Not built yet."""
        raise NotBuiltError("ListModelVersions is not available in this release; GetServiceInfo lists what is served.")

    async def GetModelVersion(self, request: pb2.GetModelVersionRequest, context: _Context) -> NoReturn:
        """Not built yet."""
        raise NotBuiltError("GetModelVersion is not available in this release; GetServiceInfo lists what is served.")

    async def PromoteModelVersion(self, request: pb2.PromoteModelVersionRequest, context: _Context) -> NoReturn:
        """Not built yet."""
        raise NotBuiltError("PromoteModelVersion is not available in this release.")

    async def RollbackModel(self, request: pb2.RollbackModelRequest, context: _Context) -> NoReturn:
        """Not built yet."""
        raise NotBuiltError("RollbackModel is not available in this release.")

    async def SetCanary(self, request: pb2.SetCanaryRequest, context: _Context) -> NoReturn:
        """Not built yet."""
        raise NotBuiltError("SetCanary is not available in this release.")
