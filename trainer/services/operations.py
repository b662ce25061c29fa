"""google.longrunning.Operations, as AIP-151 says."""

# ruff: noqa: ARG002, N802 the contract names the methods, and gRPC passes both arguments

import asyncio
import contextlib
import re
from typing import Any, TypeAlias

import grpc
from google.longrunning import operations_pb2 as pb2
from google.longrunning import operations_pb2_grpc
from google.protobuf.empty_pb2 import Empty

from trainer.errors import InvalidFieldError
from trainer.jobs.jobs import Jobs
from trainer.operations import Operations
from trainer.services.messages import operation_id, operation_message
from trainer.services.paging import first_of_page, size_of_page

_Context: TypeAlias = grpc.aio.ServicerContext[Any, Any]

_COLLECTION = "operations"
_ANSWER_TIME_S = 0.2
"""Left of the caller's time for the answer to travel."""

_FILTER = re.compile(r"\s*done\s*[=:]\s*(true|false)\s*", re.ASCII)


class OperationsServicer(operations_pb2_grpc.OperationsServicer):  # type: ignore[misc]  # the package ships no types
    """Retraining jobs as operations."""

    def __init__(self, operations: Operations, jobs: Jobs) -> None:
        self._operations = operations
        self._jobs = jobs

    async def GetOperation(self, request: pb2.GetOperationRequest, context: _Context) -> pb2.Operation:
        """Returns an operation as it is."""
        return operation_message(await self._operations.get(operation_id(request.name, "name")))

    async def ListOperations(self, request: pb2.ListOperationsRequest, context: _Context) -> pb2.ListOperationsResponse:
        """Pages through the operations, newest first. A page's token is its first operation's place."""
        if request.name.strip("/") not in {"", _COLLECTION}:
            raise InvalidFieldError(f'name is no collection of this server; give "{_COLLECTION}", or nothing', "name")
        size = size_of_page(request.page_size)
        found = await self._operations.newest(_done(request.filter), first_of_page(request.page_token), size + 1)
        response = pb2.ListOperationsResponse(
            operations=[operation_message(operation) for _, operation in found[:size]]
        )
        if len(found) > size:
            response.next_page_token = str(found[size][0])
        return response

    async def DeleteOperation(self, request: pb2.DeleteOperationRequest, context: _Context) -> Empty:
        """Forgets an operation that has ended."""
        await self._jobs.delete(operation_id(request.name, "name"))
        return Empty()

    async def CancelOperation(self, request: pb2.CancelOperationRequest, context: _Context) -> Empty:
        """Ends an operation; answers when it has ended. One that has ended before stays as it is."""
        await self._jobs.cancel(operation_id(request.name, "name"))
        return Empty()

    async def WaitOperation(self, request: pb2.WaitOperationRequest, context: _Context) -> pb2.Operation:
        """Returns an operation when it has ended, or as it is when the timeout or the caller's time runs out."""
        identity = operation_id(request.name, "name")
        limits_s = [request.timeout.seconds + request.timeout.nanos / 1e9] if request.HasField("timeout") else []
        if (remaining_s := context.time_remaining()) is not None:
            limits_s.append(remaining_s - _ANSWER_TIME_S)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, min(limits_s)) if limits_s else None):
                return operation_message(await self._operations.ended(identity))
        return operation_message(await self._operations.get(identity))


def _done(text: str) -> bool | None:
    if not text.strip():
        return None
    if (match := _FILTER.fullmatch(text)) is None:
        raise InvalidFieldError('filter is neither "done=true" nor "done=false"', "filter")
    return match[1] == "true"
