"""The gateway's composition root: builds it from settings, starts it, drains it."""

import asyncio
import contextlib
import gc
import logging
import signal
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor

import grpc
from braintumor.v1 import (
    classifier_service_pb2,
    classifier_service_pb2_grpc,
    model_service_pb2,
    model_service_pb2_grpc,
    trainer_service_pb2,
    trainer_service_pb2_grpc,
)
from google.longrunning import operations_pb2, operations_pb2_grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from gateway.backend.batcher import Batcher
from gateway.backend.channel import open_channel
from gateway.backend.serving_client import ServingClient
from gateway.backend.versions import Versions
from gateway.classify import Classifier
from gateway.imaging import ImageLimits
from gateway.interceptors import INTERCEPTORS
from gateway.services.classifier import ClassifierService
from gateway.services.health import HealthService
from gateway.services.models import ModelService
from gateway.services.operations import OperationsService
from gateway.services.trainer import TrainerService
from gateway.settings import Settings

CLASSIFIER_SERVICE: str = classifier_service_pb2.DESCRIPTOR.services_by_name["ClassifierService"].full_name
"""The service whose health follows serving."""

_REFLECTED = (
    CLASSIFIER_SERVICE,
    trainer_service_pb2.DESCRIPTOR.services_by_name["TrainerService"].full_name,
    model_service_pb2.DESCRIPTOR.services_by_name["ModelService"].full_name,
    operations_pb2.DESCRIPTOR.services_by_name["Operations"].full_name,
    health_pb2.DESCRIPTOR.services_by_name["Health"].full_name,
    reflection.SERVICE_NAME,
)
_LOOK_INTERVAL_S = 1.0

_logger = logging.getLogger(__name__)


async def serve(settings: Settings, stop: asyncio.Event, share_port: bool = False) -> None:
    """Runs a gateway until `stop` is set or SIGTERM or SIGINT arrives, then drains it.

    Once it listens it says so on stdout, in one line: `Gateway listening on <host>:<port>`.
    """
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signal_number, stop.set)
    async with running_gateway(settings, share_port) as address:
        _logger.info("gateway listens", extra={"address": address, "serving_address": settings.serving_address})
        print(f"Gateway listening on {address}", flush=True)  # noqa: T201 whoever chose port 0 reads it here
        # What is loaded by now stays: without it a full garbage collection takes 20 ms of everybody's time less.
        gc.freeze()
        await stop.wait()
        _logger.info("gateway drains", extra={"grace_s": settings.drain_grace_s})
    _logger.info("gateway stopped")


@contextlib.asynccontextmanager
async def running_gateway(settings: Settings, share_port: bool = False) -> AsyncIterator[str]:
    """Starts a gateway, and drains it at the end: calls in flight have the grace period to finish.

    Args:
      settings: as they are.
      share_port: whether other processes may listen on the same port.

    Yields:
      The address that it listens on, "host:port".

    Raises:
      RuntimeError: it cannot listen there.
    """
    with ThreadPoolExecutor(settings.decode_threads, "decode") as threads:
        async with open_channel(settings.serving_address) as channel:
            client = ServingClient(channel, settings.model_name)
            versions = Versions(client)
            health = HealthService([CLASSIFIER_SERVICE])
            server = _server(settings, share_port, health, _classifier_service(settings, client, versions, threads))
            port = server.add_insecure_port(settings.address)
            await server.start()
            looking = asyncio.create_task(_keep_looking(versions, health))
            try:
                yield f"{settings.address.rpartition(':')[0]}:{port}"
            finally:
                # First the word that no more calls are welcome, then the wait for those that are here; these may
                # still need serving, so its channel and the look at it end last.
                health.close()
                await server.stop(settings.drain_grace_s)
                looking.cancel()
                await asyncio.wait([looking])


def _classifier_service(
    settings: Settings, client: ServingClient, versions: Versions, threads: ThreadPoolExecutor
) -> ClassifierService:
    batcher = Batcher(client, settings.max_batch_size, settings.max_calls_in_flight)
    limits = ImageLimits(settings.max_image_bytes, settings.max_image_pixels)
    classifier = Classifier(versions, batcher, threads, limits, settings.max_queued_images, settings.stream_window)
    return ClassifierService(classifier, versions, settings)


def _server(
    settings: Settings, share_port: bool, health: HealthService, classifier: ClassifierService
) -> grpc.aio.Server:
    options = [
        # Twice the limit, so that an image beyond it is refused by us, who say why, and not by gRPC.
        ("grpc.max_receive_message_length", 2 * settings.max_image_bytes + 2**20),
        ("grpc.max_send_message_length", -1),
        ("grpc.so_reuseport", int(share_port)),
    ]
    server = grpc.aio.server(interceptors=[interceptor() for interceptor in INTERCEPTORS], options=options)
    classifier_service_pb2_grpc.add_ClassifierServiceServicer_to_server(classifier, server)
    trainer_service_pb2_grpc.add_TrainerServiceServicer_to_server(TrainerService(), server)
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(ModelService(), server)
    operations_pb2_grpc.add_OperationsServicer_to_server(OperationsService(), server)
    health_pb2_grpc.add_HealthServicer_to_server(health, server)
    reflection.enable_server_reflection(_REFLECTED, server)
    return server


async def _keep_looking(versions: Versions, health: HealthService) -> None:
    while True:
        try:
            await versions.step()
        except Exception:
            _logger.exception("look at serving failed")
        for service in ("", CLASSIFIER_SERVICE):
            health.set(service, versions.ready)
        await asyncio.sleep(_LOOK_INTERVAL_S)
