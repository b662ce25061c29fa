"""The daemon's services on port 0, with jobs that do as the test says."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
from braintumor.v1 import trainer_service_pb2_grpc
from google.longrunning import operations_pb2_grpc
from google.rpc import error_details_pb2, status_pb2

from trainer.audit import AuditInterceptor, AuditTrail
from trainer.call_interceptor import CallInterceptor
from trainer.errors import DiskFullError, SourceError
from trainer.figures import EpochMetrics, Evaluation
from trainer.jobs.evaluator import Evaluator
from trainer.jobs.jobs import Jobs
from trainer.jobs.operation import Operation, Outcome, Progress, Step
from trainer.operations import Operations
from trainer.rollout.rollout import Rollout
from trainer.rollout.serving_client import ServingClient
from trainer.services.operations import OperationsServicer
from trainer.services.training import TrainingServicer
from trainer.settings import TrainerSettings
from transport.peer_tls import connect

_MAX_QUEUED = 2


class Work:
    """Notes one epoch, then waits to be let go; jobs of three epochs fail, and those of four at a full disk."""

    def __init__(self) -> None:
        self.let_go = asyncio.Event()

    async def do(self, operation: Operation, note: Callable[[Progress], None]) -> Outcome:
        metrics = EpochMetrics(0.5, 0.75, 0.25, 1.0)
        note(Progress(step=Step.TRAIN, epoch=1, metrics=metrics, fraction=0.5))
        await self.let_go.wait()
        if operation.order.epochs == 3:
            raise SourceError("image directory images cannot be read")
        if operation.order.epochs == 4:
            raise DiskFullError("no space is left")
        evaluation = Evaluation(4, 0.5, 0.75, 1.0, 0.0, 2, 2, 0, 0)
        return Outcome(
            metrics=metrics,
            evaluation=evaluation,
            version=0,
            blessed=False,
            reasons=("not good enough",),
            excluded={"no label": 2},
        )

    async def undo(self, operation: Operation) -> bool:  # noqa: ARG002 nothing was done
        return True

    async def clear(self, operation: Operation, *, completely: bool) -> None:
        pass


@dataclass
class Served:
    """A running server: its stubs, and what it is made of."""

    trainer: Any
    operations: Any
    channel: grpc.aio.Channel
    work: Work
    settings: TrainerSettings
    store: Operations
    address: str


@pytest.fixture
def serve(tmp_path: Path) -> Callable[[], AbstractAsyncContextManager[Served]]:
    """Starts the services on a data root with images and labels."""
    (tmp_path / "raw/images").mkdir(parents=True)
    (tmp_path / "raw/BrainTumor.csv").write_text("Image,Class\n")
    settings = TrainerSettings(DATA_ROOT=tmp_path)

    @asynccontextmanager
    async def serve() -> AsyncIterator[Served]:
        store, work = Operations(settings.database), Work()
        await store.open()
        jobs = Jobs(store, work, _MAX_QUEUED, max_attempts=3)
        running = asyncio.create_task(jobs.run())
        server = grpc.aio.server(interceptors=[CallInterceptor(), AuditInterceptor(AuditTrail(settings.audit_trail))])
        async with connect("127.0.0.1:1") as nowhere:
            rollout = Rollout(settings, ServingClient(nowhere, settings.model_name))
            await rollout.recover()
            evaluator = Evaluator(settings, rollout)
            trainer_service_pb2_grpc.add_TrainerServiceServicer_to_server(
                TrainingServicer(store, jobs, evaluator, settings), server
            )
            operations_pb2_grpc.add_OperationsServicer_to_server(OperationsServicer(store, jobs), server)
            port = server.add_insecure_port("127.0.0.1:0")
            await server.start()
            async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
                yield Served(
                    trainer_service_pb2_grpc.TrainerServiceStub(channel),
                    operations_pb2_grpc.OperationsStub(channel),
                    channel,
                    work,
                    settings,
                    store,
                    f"127.0.0.1:{port}",
                )
            store.stop_following()
            await server.stop(1)
            running.cancel()
            await asyncio.wait([running])
        await store.close()

    return serve


@dataclass
class Refusal:
    """What a failed call told."""

    code: str
    message: str
    reason: str
    field: str
    has_retry: bool


@pytest.fixture(scope="session")
def refusal() -> Callable[[Any], Any]:
    """Awaits a call that must fail, and returns what it told."""

    async def refusal(call: Any) -> Refusal:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await call
        error = raised.value
        status = status_pb2.Status.FromString(dict(error.trailing_metadata())["grpc-status-details-bin"])
        assert (status.code, status.message) == (error.code().value[0], error.details())
        info, bad, retry = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest(), error_details_pb2.RetryInfo()
        for detail in status.details:
            for message in (info, bad, retry):
                detail.Unpack(message)
        assert info.domain == "braintumor"
        field = bad.field_violations[0].field if bad.field_violations else ""
        return Refusal(error.code().name, error.details(), info.reason, field, retry.HasField("retry_delay"))

    return refusal
