"""Who asked for what: a line of JSON for each call that changes jobs or versions, and one for how it ended."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias

import grpc
from braintumor.v1.model_service_pb2 import ModelVersion
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from observability import request_id
from observability.journal import append
from trainer.errors import AuditTrailUnavailableError, TrainerError
from transport.calls import CALLER_KEY

AUDITED = frozenset({
    "/braintumor.v1.TrainerService/Retrain",
    "/braintumor.v1.ModelService/PromoteModelVersion",
    "/braintumor.v1.ModelService/RollbackModel",
    "/braintumor.v1.ModelService/SetCanary",
    "/google.longrunning.Operations/CancelOperation",
    "/google.longrunning.Operations/DeleteOperation",
})  # fmt: skip
"""Methods that change something."""

_PATIENCE_S = 30.0
"""For the lines of other calls: beside a training it may take seconds until one is on disk."""

_logger = logging.getLogger(__name__)

_Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any] | None"  # quoted: it is generic for type checkers only


class AuditTrail:
    """Lines of JSON in a file, on disk before `append` returns.

    Args:
      path: of the file; its directory is made where there is none, at once and whenever somebody has removed it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._make_directory()

    def append(self, facts: dict[str, object]) -> None:
        """Adds a line, or nothing. The file may be rotated by renaming it.

        Raises:
          OSError: it cannot be written.
        """
        line = json.dumps({"time": datetime.now(UTC).isoformat(timespec="milliseconds")} | facts) + "\n"
        self._make_directory()
        append(self._path, line.encode(), durably=True, patience_s=_PATIENCE_S)

    def _make_directory(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)


class AuditInterceptor(grpc.aio.ServerInterceptor):
    """Notes each call of AUDITED twice: when it is asked for, so that no death of the process hides it, and its end.

    A call that cannot be noted is not carried out. Stands inside the interceptor that maps errors.
    """

    def __init__(self, trail: AuditTrail) -> None:
        self._trail = trail

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[_Handler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> _Handler:
        """Returns the method's handler, wrapped where the method is audited."""
        handler = await continuation(handler_call_details)
        method = handler_call_details.method
        if handler is None or method not in AUDITED:
            return handler
        behaviour = self._noted(method, handler.unary_unary)
        return grpc.unary_unary_rpc_method_handler(behaviour, handler.request_deserializer, handler.response_serializer)

    def _noted(self, method: str, behaviour: Any) -> Callable[[Message, Any], Awaitable[Message]]:
        async def noted(request: Message, context: Any) -> Message:
            facts: dict[str, object] = {
                "request_id": request_id.current.get(),
                "caller": _caller(context),
                "method": method.rpartition("/")[2],
                "request": MessageToDict(request, preserving_proto_field_name=True),
            }
            # A call may be taken back at any moment. What is to be written is written nevertheless, and in its order.
            asked = asyncio.create_task(asyncio.to_thread(self._trail.append, facts | {"outcome": "ASKED"}))
            try:
                await _require(asked)
                response: Message = await behaviour(request, context)
            except BaseException as err:
                await asyncio.shield(self._note_end(asked, facts | {"outcome": _outcome_of(err)}))
                raise
            await asyncio.shield(self._note_end(asked, facts | {"outcome": "OK", "response": _summary(response)}))
            return response

        return noted

    async def _note_end(self, asked: asyncio.Task[None], facts: dict[str, object]) -> None:
        try:
            await asked
            await asyncio.to_thread(self._trail.append, facts)
        except OSError:  # What was done stays done, and its caller has to know.
            _logger.exception("audit trail cannot be written")


async def _require(line: asyncio.Task[None]) -> None:
    try:
        await asyncio.shield(line)
    except OSError as err:
        raise AuditTrailUnavailableError("The call cannot be recorded, so it is not carried out.") from err


def _caller(context: Any) -> str:
    named = dict(context.invocation_metadata() or ()).get(CALLER_KEY, "")
    return named if isinstance(named, str) and named else str(context.peer())


def _outcome_of(error: BaseException) -> str:
    if isinstance(error, TrainerError):
        return error.reason
    return "INTERNAL" if isinstance(error, Exception) else "CANCELLED"


def _summary(response: Message) -> dict[str, object]:
    """Returns what leads to the result: the job's name, or the version that the label leads to now."""
    fields = ((field.name, value) for field, value in response.ListFields())
    told = ((name, value.version if isinstance(value, ModelVersion) else value) for name, value in fields)
    return {name: value for name, value in told if isinstance(value, str | int | float | bool)}
