"""The gateway's composition root: builds it from settings, starts it, drains it."""

import asyncio
import contextlib
import gc
import logging
import signal
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from functools import partial

import grpc
from braintumor.v1 import classifier_service_pb2, classifier_service_pb2_grpc, model_service_pb2, trainer_service_pb2
from google.longrunning import operations_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from gateway.audit import Audit, AuditLog, NoAudit
from gateway.backend.batcher import Batcher
from gateway.backend.canary import Canary
from gateway.backend.channel import open_channel
from gateway.backend.fleet import Fleet
from gateway.backend.replica import Replica
from gateway.backend.serving_client import ServingClient
from gateway.backend.trainer_channel import TrainerChannel
from gateway.backend.trainer_client import TrainerClient
from gateway.backend.versions import Versions
from gateway.backend_monitor import BackendMonitor
from gateway.classify import Classifier
from gateway.decoding import Decoding
from gateway.errors import UnknownServiceError
from gateway.imaging import ImageLimits
from gateway.interceptors import INTERCEPTORS, PROBE_INTERCEPTORS, chain
from gateway.outlook import Outlook, OutlookOf
from gateway.services.classifier import ClassifierService
from gateway.services.forwarding import Forwarder
from gateway.settings import Settings
from gateway.telemetry.metrics import REGISTRY, note_expiry, note_files
from observability.exposition import exposed
from observability.journal import append
from observability.tracing import exporting
from tfserving_api.addresses import resolve
from transport import keepalive
from transport.background import in_background
from transport.calls import METADATA_SIZE
from transport.certificate_expiry import watch_expiry
from transport.entrance import Entrance
from transport.health import answering_probes
from transport.health_service import HealthService
from transport.peer_tls import FollowedPeerTls, renewal_of
from transport.server_tls import FollowedTls, listen
from transport.threads import running_threads
from transport.watched import UnusableFileError

CLASSIFIER_SERVICE: str = classifier_service_pb2.DESCRIPTOR.services_by_name["ClassifierService"].full_name
"""The service whose health, like that of the whole gateway, follows serving."""

FORWARDED = (
    trainer_service_pb2.DESCRIPTOR.services_by_name["TrainerService"],
    model_service_pb2.DESCRIPTOR.services_by_name["ModelService"],
    operations_pb2.DESCRIPTOR.services_by_name["Operations"],
)
"""Services that are the trainer's: all their methods go on to it, and their health follows it."""

_FORWARDED_NAMES = tuple(service.full_name for service in FORWARDED)
_REFLECTED = (
    CLASSIFIER_SERVICE,
    *_FORWARDED_NAMES,
    health_pb2.DESCRIPTOR.services_by_name["Health"].full_name,
    reflection.SERVICE_NAME,
)

_RESOLUTION_S = 1.0

_MAX_PENDING_CALLS = 8192
"""That have arrived and are not handled yet; each takes some 10 KB, and a second brings thousands to their answer."""

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
      CannotListenError: it, or its page of metrics, cannot listen there.
      UnusableFileError: a certificate, what callers are known by, or the audit log cannot be used.
      TooFewThreadsError: the machine does not allow its threads.
    """
    serving_tls = FollowedPeerTls(settings.serving_tls, note_files) if settings.serving_tls else None
    trainer_tls = FollowedPeerTls(settings.trainer_tls, note_files) if settings.trainer_tls else None
    with (
        exporting("braintumor-gateway", settings.otlp_endpoint, settings.trace_ratio),
        exposed(REGISTRY, settings.metrics_address),
        _decoding(settings) as decoding,
    ):
        async with (
            _auditing(settings) as audit,
            _connected_fleet(settings, serving_tls) as fleet,
            contextlib.aclosing(TrainerChannel(settings.trainer_address, trainer_tls)) as onward,
        ):
            parts = _assembled(settings, decoding, audit, fleet, onward)
            server = _server(settings, share_port, parts)
            tls = FollowedTls(settings.tls, note_files) if settings.tls else None
            address = listen(server, settings.address, tls)
            on_probes = [chain(PROBE_INTERCEPTORS, settings, parts.outlook, parts.entrance)]
            async with (
                answering_probes(parts.health, settings.health_address, on_probes, share_port),
                in_background(parts.monitor.run()),
                in_background(watch_expiry((tls, serving_tls, trainer_tls), note_expiry)),
                # Innermost: calls that are here at the end may still need serving and trainer, and the looks at them.
                _answering(server, parts, settings.drain_grace_s),
            ):
                yield address


@dataclass(frozen=True, slots=True)
class _Parts:
    """What a gateway is made of, between its server and the channels."""

    classifier: ClassifierService
    forwarder: Forwarder
    health: HealthService
    monitor: BackendMonitor
    outlook: OutlookOf
    entrance: Entrance


def _assembled(settings: Settings, decoding: Decoding, audit: Audit, fleet: Fleet, onward: TrainerChannel) -> _Parts:
    trainer, versions = TrainerClient(onward), Versions(fleet)
    canary = Canary(versions, trainer)
    health = HealthService([CLASSIFIER_SERVICE, *_FORWARDED_NAMES], UnknownServiceError)
    monitor = BackendMonitor(fleet, versions, trainer, canary, health, ("", CLASSIFIER_SERVICE), _FORWARDED_NAMES)
    forwarder = Forwarder(onward, settings.trainer_deadline_s, monitor.now)
    batcher = Batcher(fleet, settings.max_batch_size, settings.max_calls_in_flight)
    classifier = ClassifierService(Classifier(versions, canary, batcher, audit, decoding), versions, settings)

    def outlook() -> Outlook:
        return decoding.outlook() + batcher.outlook()

    return _Parts(classifier, forwarder, health, monitor, outlook, Entrance())


@contextlib.asynccontextmanager
async def _answering(server: grpc.aio.Server, parts: _Parts, drain_grace_s: float) -> AsyncIterator[None]:
    await server.start()
    try:
        yield
    finally:
        # First the word that no more calls are welcome, then the wait for those that are here.
        loop = asyncio.get_running_loop()
        end = loop.time() + drain_grace_s
        parts.health.close()
        parts.forwarder.close()
        loop.call_later(drain_grace_s / 2, parts.classifier.close)
        await parts.entrance.let_all_in(drain_grace_s / 4)
        await server.stop(max(0.0, end - loop.time()))


@contextlib.asynccontextmanager
async def _connected_fleet(settings: Settings, tls: FollowedPeerTls | None) -> AsyncIterator[Fleet]:
    def connect(target: str) -> Replica:
        is_outdated, channel = renewal_of(tls), open_channel(target, tls)
        return Replica(ServingClient(channel, settings.model_name), channel.close, is_outdated)

    fleet = Fleet(partial(resolve, settings.serving_address, _RESOLUTION_S), connect, settings.max_deadline_s)
    async with contextlib.aclosing(fleet):
        await fleet.step()  # before callers, and the first look, need it
        yield fleet


@contextlib.asynccontextmanager
async def _auditing(settings: Settings) -> AsyncIterator[Audit]:
    if settings.audit_log is None:
        yield NoAudit()
        return
    with running_threads(1, "audit") as thread:
        try:
            await asyncio.get_running_loop().run_in_executor(thread, append, settings.audit_log, b"")
        except OSError as err:
            raise UnusableFileError(
                f"GATEWAY_AUDIT_LOG: {settings.audit_log} cannot be written: {err.strerror}"
            ) from err
        yield AuditLog(settings.audit_log, settings.model_name, thread)


@contextlib.contextmanager
def _decoding(settings: Settings) -> Iterator[Decoding]:
    limits = ImageLimits(settings.max_image_bytes, settings.max_image_pixels)
    with running_threads(settings.decode_threads, "decode") as threads, running_threads(1, "large") as large:
        yield Decoding(threads, settings.decode_threads, large, limits)


def _server(settings: Settings, share_port: bool, parts: _Parts) -> grpc.aio.Server:
    options = [
        # Twice the limit, so that an image beyond it is refused by us, who say why, and not by gRPC.
        ("grpc.max_receive_message_length", 2 * settings.max_image_bytes + 2**20),
        ("grpc.max_send_message_length", -1),
        # Else gRPC takes in megabytes of each request that nobody reads yet, once a connection has shown to be fast.
        ("grpc.http2.bdp_probe", 0),
        # What one connection sends beyond it waits at its caller's, and costs nothing here.
        ("grpc.max_concurrent_streams", 2 * settings.max_queued_images),
        # Else gRPC counts calls that have ended and are not cleared away yet, and resets others that its client let go.
        ("grpc.http.overload_protection", 0),
        # Calls wait for us while we answer others. gRPC would cancel them at random from 1000 on, and all beyond 3000.
        ("grpc.server.max_pending_requests", _MAX_PENDING_CALLS),
        ("grpc.server.max_pending_requests_hard_limit", _MAX_PENDING_CALLS),
        ("grpc.so_reuseport", int(share_port)),
        *METADATA_SIZE,
        *keepalive.OF_SERVERS,
    ]
    interceptors = [chain(INTERCEPTORS, settings, parts.outlook, parts.entrance)]
    server = grpc.aio.server(interceptors=interceptors, options=options)
    classifier_service_pb2_grpc.add_ClassifierServiceServicer_to_server(parts.classifier, server)
    server.add_generic_rpc_handlers([parts.forwarder.handler_of(service) for service in FORWARDED])
    health_pb2_grpc.add_HealthServicer_to_server(parts.health, server)
    reflection.enable_server_reflection(_REFLECTED, server)
    return server
