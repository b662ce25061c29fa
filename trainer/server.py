"""The daemon's composition root: builds it from settings, starts it, drains it."""

import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import grpc
from braintumor.v1 import (
    model_service_pb2,
    model_service_pb2_grpc,
    trainer_service_pb2,
    trainer_service_pb2_grpc,
)
from google.longrunning import operations_pb2, operations_pb2_grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from observability.exposition import exposed
from observability.tracing import exporting
from trainer.audit import AuditInterceptor, AuditTrail
from trainer.call_interceptor import CallInterceptor
from trainer.durable import take_lock
from trainer.errors import TrainerError, UnknownServiceError
from trainer.jobs.evaluator import Evaluator
from trainer.jobs.jobs import Jobs
from trainer.jobs.retraining import Retraining
from trainer.jobs.run_directory import of_jobs
from trainer.operations import Operations
from trainer.rollout.rollout import Rollout
from trainer.rollout.serving_fleet import ServingFleet
from trainer.rollout.stranded import StrandedReplicas
from trainer.services.models import ModelServicer
from trainer.services.operations import OperationsServicer
from trainer.services.training import TrainingServicer
from trainer.settings import TrainerSettings
from trainer.telemetry.metrics import REGISTRY, note_expiry, note_files
from trainer.telemetry.present import Present, registered
from transport import keepalive
from transport.background import in_background
from transport.calls import METADATA_SIZE
from transport.certificate_expiry import watch_expiry
from transport.health import answering_probes
from transport.health_service import HealthService
from transport.peer_tls import FollowedPeerTls
from transport.server_tls import FollowedTls, listen

_SERVICES = (
    trainer_service_pb2.DESCRIPTOR.services_by_name["TrainerService"].full_name,
    model_service_pb2.DESCRIPTOR.services_by_name["ModelService"].full_name,
    operations_pb2.DESCRIPTOR.services_by_name["Operations"].full_name,
)
_REFLECTED = (
    *_SERVICES,
    health_pb2.DESCRIPTOR.services_by_name["Health"].full_name,
    reflection.SERVICE_NAME,
)
_DRAIN_GRACE_S = 5.0

_logger = logging.getLogger(__name__)


async def serve(settings: TrainerSettings) -> None:
    """Runs the daemon until SIGTERM or SIGINT, then drains it. A job that runs goes on at the next start.

    Once it listens it says so on stdout, in one line: `Trainer listening on <host>:<port>`.

    Raises:
      TrainerError: another daemon has the data root, or what a killed one left cannot be put in order.
      CannotListenError: a port is taken.
      UnusableFileError: a file of TLS cannot be used.
    """
    stop = asyncio.Event()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signal_number, stop.set)
    # Versions may lie in a volume of their own, that other data roots share.
    with _only_on(settings.data_root), _only_on(settings.model_dir.parent):
        async with running_daemon(settings) as address:
            _logger.info("trainer listens", extra={"address": address})
            print(f"Trainer listening on {address}", flush=True)  # noqa: T201 whoever chose port 0 reads it here
            await stop.wait()
            _logger.info("trainer drains")
    _logger.info("trainer stopped")


@contextlib.asynccontextmanager
async def running_daemon(settings: TrainerSettings) -> AsyncIterator[str]:
    """Starts a daemon, and drains it at the end.

    Args:
      settings: as they are.

    Yields:
      The address that it listens on, "host:port".

    Raises:
      TrainerError, CannotListenError, UnusableFileError: as for `serve`.
    """
    _require_database(settings)
    async with contextlib.AsyncExitStack() as stack:
        operations = Operations(settings.database)
        await operations.open()
        stack.push_async_callback(operations.close)
        serving_tls = FollowedPeerTls(settings.serving_tls, note_files) if settings.serving_tls else None
        serving = ServingFleet(settings.serving_address, settings.model_name, serving_tls)
        rollout = Rollout(settings, serving)
        stack.enter_context(exporting("braintumor-trainer", settings.otlp_endpoint, settings.trace_ratio))
        stack.enter_context(registered(Present(settings.database, lambda: rollout.state.labels), REGISTRY))
        stack.enter_context(exposed(REGISTRY, settings.metrics_address))
        retraining = Retraining(settings, rollout)
        await retraining.recover([operation for _, operation in await operations.newest()])
        jobs = Jobs(operations, retraining, settings.max_queued_jobs, settings.max_job_attempts)
        calls = CallInterceptor()
        interceptors = [calls, AuditInterceptor(AuditTrail(settings.audit_trail))]
        # Without SO_REUSEPORT: a second daemon on the port is an error, and not a share of the calls.
        options = [("grpc.so_reuseport", 0), *METADATA_SIZE, *keepalive.OF_SERVERS]
        server = grpc.aio.server(interceptors=interceptors, options=options)
        training = TrainingServicer(operations, jobs, Evaluator(settings, rollout), settings)
        trainer_service_pb2_grpc.add_TrainerServiceServicer_to_server(training, server)
        operations_pb2_grpc.add_OperationsServicer_to_server(OperationsServicer(operations, jobs), server)
        model_service_pb2_grpc.add_ModelServiceServicer_to_server(ModelServicer(rollout, serving, settings), server)
        tls = FollowedTls(settings.tls, note_files) if settings.tls else None
        async with (
            _listening(server, settings, tls, calls) as address,
            in_background(jobs.run()),
            in_background(rollout.keep()),
            in_background(StrandedReplicas(settings, serving).keep()),
            in_background(watch_expiry((tls, serving_tls), note_expiry)),
        ):
            yield address
            # Whoever follows a job would hold up the drain.
            operations.stop_following()


@contextlib.asynccontextmanager
async def _listening(
    server: grpc.aio.Server, settings: TrainerSettings, tls: FollowedTls | None, calls: CallInterceptor
) -> AsyncIterator[str]:
    health = HealthService(_SERVICES, UnknownServiceError)
    health_pb2_grpc.add_HealthServicer_to_server(health, server)
    reflection.enable_server_reflection(_REFLECTED, server)
    address = listen(server, settings.address, tls)
    async with answering_probes(health, settings.health_address, [CallInterceptor()]):
        await server.start()
        for service in ("", *_SERVICES):
            health.set(service, serving=True)
        try:
            yield address
        finally:
            health.close()
            await calls.all_begun(_DRAIN_GRACE_S / 4)
            await server.stop(_DRAIN_GRACE_S)
            await calls.all_ended()


def _require_database(settings: TrainerSettings) -> None:
    """Refuses to take what jobs have left for rubbish where their database is lost."""
    lost = not settings.database.exists() or not settings.database.stat().st_size
    if lost and (left := of_jobs(settings.runs_dir)):
        raise TrainerError(
            f"{settings.database.name} is gone, and {settings.runs_dir.name}/ holds what {len(left)} jobs left; put it "
            f"back, or remove {settings.runs_dir.name}/ to forget them"
        )


@contextlib.contextmanager
def _only_on(directory: Path) -> Iterator[None]:
    """Keeps other daemons off a directory."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        file = (directory / "trainer.lock").open("w")
    except OSError as err:
        remedy = f"; it has to belong to user {os.getuid()}, as whom the trainer runs"
        told = remedy if isinstance(err, PermissionError) else ""
        raise TrainerError(f"{directory} cannot be written ({err.strerror}){told}") from err
    with file as lock:
        if not take_lock(lock):
            raise TrainerError(f"another trainer works on {directory}; one is enough")
        yield
