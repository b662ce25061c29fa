"""A trainer that answers by a script, behind a real gateway."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
import pytest
from braintumor.v1 import model_service_pb2, trainer_service_pb2
from braintumor.v1.model_service_pb2_grpc import (
    ModelServiceServicer,
    ModelServiceStub,
    add_ModelServiceServicer_to_server,
)
from braintumor.v1.trainer_service_pb2_grpc import (
    TrainerServiceServicer,
    TrainerServiceStub,
    add_TrainerServiceServicer_to_server,
)
from google.longrunning import operations_pb2, operations_pb2_grpc
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc


@dataclass
class FakeTrainer(
    TrainerServiceServicer, ModelServiceServicer, operations_pb2_grpc.OperationsServicer, health_pb2_grpc.HealthServicer
):
    """Speaks the trainer's services, and keeps a record of its calls."""

    percents: dict[int, float] = field(default_factory=dict)
    """Shares of versions as canary."""
    refusals: deque[status_pb2.Status] = field(default_factory=deque)
    """What the next calls fail with."""
    reports: int = 3
    """Of WatchRetrain; then it waits until `open` is set."""
    requests: list[Any] = field(default_factory=list)
    metadata: dict[str, str | bytes] = field(default_factory=dict)
    remaining_s: float | None = None
    in_flight: int = 0
    cancelled: int = 0
    serving: bool = True
    port: int = 0
    credentials: Any = None
    """Of its port, from the next start on; without them it is plain text."""
    _server: Any = None

    def __post_init__(self) -> None:
        self.open = asyncio.Event()
        """Calls wait for it."""
        self.open.set()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def start(self) -> None:
        self._server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        add_TrainerServiceServicer_to_server(self, self._server)
        add_ModelServiceServicer_to_server(self, self._server)
        operations_pb2_grpc.add_OperationsServicer_to_server(self, self._server)
        health_pb2_grpc.add_HealthServicer_to_server(self, self._server)
        if self.credentials:
            self.port = self._server.add_secure_port(self.address, self.credentials)
        else:
            self.port = self._server.add_insecure_port(self.address)
        await self._server.start()

    async def stop(self, grace_s: float | None = None) -> None:
        await self._server.stop(grace_s)

    async def Retrain(self, request: Any, context: Any) -> Any:
        async with self._call(request, context):
            return operations_pb2.Operation(name=f"operations/{request.request_id}")

    async def WatchRetrain(self, request: Any, context: Any) -> AsyncIterator[Any]:
        async with self._call(request, context, waits=False):
            for index in range(self.reports):
                operation = operations_pb2.Operation(name=f"{request.operation}/{index}")
                yield trainer_service_pb2.WatchRetrainResponse(operation=operation)
            await self.open.wait()

    async def GetModelVersion(self, request: Any, context: Any) -> Any:  # noqa: ARG002 gRPC passes both
        percent = self.percents.get(request.version, 0.0)
        described = model_service_pb2.ModelVersion(version=request.version, canary_percent=percent)
        return model_service_pb2.GetModelVersionResponse(model_version=described)

    async def RollbackModel(self, request: Any, context: Any) -> Any:
        async with self._call(request, context):
            return model_service_pb2.RollbackModelResponse()

    async def WaitOperation(self, request: Any, context: Any) -> Any:
        async with self._call(request, context):
            return operations_pb2.Operation(name=request.name, done=True)

    async def Check(self, request: Any, context: Any) -> Any:  # noqa: ARG002 gRPC passes both
        status = health_pb2.HealthCheckResponse
        return status(status=status.SERVING if self.serving else status.NOT_SERVING)

    @asynccontextmanager
    async def _call(self, request: Any, context: Any, waits: bool = True) -> AsyncIterator[None]:
        self.requests.append(request)
        self.metadata = dict(context.invocation_metadata())
        self.remaining_s = context.time_remaining()
        self.in_flight += 1
        context.set_trailing_metadata((("x-from-trainer", "yes"), ("x-request-id", "the trainer's own")))
        try:
            if self.refusals:
                await self._refuse(self.refusals.popleft(), context)
            if waits:
                await self.open.wait()
            yield
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.in_flight -= 1

    async def _refuse(self, status: status_pb2.Status, context: Any) -> None:
        codes = {code.value[0]: code for code in grpc.StatusCode}
        code = codes.get(status.code, grpc.StatusCode.FAILED_PRECONDITION)
        own = (("x-from-trainer", "yes"),)
        details = (("grpc-status-details-bin", status.SerializeToString()),) if status.details else ()
        await context.abort(code, status.message, own + details)


@pytest.fixture(scope="session")
def start_trainer() -> Callable[..., AbstractAsyncContextManager[FakeTrainer]]:
    """Runs a fake trainer; takes the fields of FakeTrainer."""

    @asynccontextmanager
    async def _start(**fields: Any) -> AsyncIterator[FakeTrainer]:
        trainer = FakeTrainer(**fields)
        await trainer.start()
        try:
            yield trainer
        finally:
            trainer.open.set()
            await trainer.stop()

    return _start


@dataclass
class Stubs:
    """Of the forwarded services."""

    channel: Any

    def __post_init__(self) -> None:
        self.trainer = TrainerServiceStub(self.channel)
        self.models = ModelServiceStub(self.channel)
        self.operations = operations_pb2_grpc.OperationsStub(self.channel)


@pytest.fixture(scope="session")
def stubs() -> type[Stubs]:
    """Calls the forwarded services on a channel."""
    return Stubs


@pytest.fixture(scope="session")
def refusal_status() -> Callable[..., status_pb2.Status]:
    """Makes a status with details as the trainer does, or without."""

    def _status(code: grpc.StatusCode, message: str, reason: str = "", field: str = "") -> status_pb2.Status:
        status = status_pb2.Status(code=code.value[0], message=message)
        if reason:
            status.details.add().Pack(error_details_pb2.ErrorInfo(reason=reason, domain="braintumor"))
        if field:
            violation = error_details_pb2.BadRequest.FieldViolation(field=field, description=message)
            status.details.add().Pack(error_details_pb2.BadRequest(field_violations=[violation]))
        return status

    return _status
