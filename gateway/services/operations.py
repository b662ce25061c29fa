"""google.longrunning.Operations."""

# ruff: noqa: ARG002, N802 the contract names the methods, and gRPC passes both arguments

from typing import Any, NoReturn, TypeAlias

import grpc
from google.longrunning import operations_pb2 as pb2
from google.longrunning import operations_pb2_grpc

from gateway.errors import NotBuiltError

_Context: TypeAlias = grpc.aio.ServicerContext[Any, Any]


class OperationsService(operations_pb2_grpc.OperationsServicer):  # type: ignore[misc]  # the package ships no types
    """Retraining jobs as operations. Not built yet."""

    async def ListOperations(self, request: pb2.ListOperationsRequest, context: _Context) -> NoReturn:
        """Not built yet."""
        raise _not_built("ListOperations")

    async def GetOperation(self, request: pb2.GetOperationRequest, context: _Context) -> NoReturn:
        """Not built yet."""
        raise _not_built("GetOperation")

    async def DeleteOperation(self, request: pb2.DeleteOperationRequest, context: _Context) -> NoReturn:
        """Not built yet."""
        raise _not_built("DeleteOperation")

    async def CancelOperation(self, request: pb2.CancelOperationRequest, context: _Context) -> NoReturn:
        """Not built yet."""
        raise _not_built("CancelOperation")

    async def WaitOperation(self, request: pb2.WaitOperationRequest, context: _Context) -> NoReturn:
        """Not built yet."""
        raise _not_built("WaitOperation")


def _not_built(method: str) -> NotBuiltError:
    return NotBuiltError(f"{method} is not available in this release; there are no retraining jobs yet.")
