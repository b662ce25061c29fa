"""A port for probes: health in plain text, whatever a process asks of the callers of its own port.

`python -m transport.health 127.0.0.1:50053` is such a probe: its exit status is 0 where the process there is well.
"""

import contextlib
import logging
import sys
from collections.abc import AsyncIterator, Sequence

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from transport import keepalive
from transport.calls import METADATA_SIZE
from transport.peer_tls import NO_PROXY
from transport.server_tls import listen

_PROBE_TIMEOUT_S = 4.0

_LIMITS = (
    # A probe names a service. By its own limit gRPC takes in 4 MiB of each, and keeps them until all is there.
    ("grpc.max_receive_message_length", 4096),
    # The same of those that nobody reads yet, once a connection has shown to be fast.
    ("grpc.http2.bdp_probe", 0),
    ("grpc.max_concurrent_streams", 128),
    *METADATA_SIZE,
    *keepalive.OF_SERVERS,
)
"""Options of the server: whoever asks is not known."""

_logger = logging.getLogger(__name__)


@contextlib.asynccontextmanager
async def answering_probes(
    health: health_pb2_grpc.HealthServicer,
    address: str,
    interceptors: Sequence[grpc.aio.ServerInterceptor],
    share_port: bool = False,
) -> AsyncIterator[None]:
    """Serves grpc.health.v1, and nothing else, until the block ends. Logs where, as `health is served`.

    It is plain text and asks nobody who they are, since probes of Docker and Kubernetes have neither TLS nor tokens.

    Args:
      health: of the process; it may serve other ports too.
      address: "host:port" to listen on, port 0 for a free one; empty for not at all.
      interceptors: around each call.
      share_port: whether other processes may listen on the same port.

    Raises:
      CannotListenError: it cannot listen there.
    """
    if not address:
        yield
        return
    server = grpc.aio.server(interceptors=interceptors, options=[("grpc.so_reuseport", int(share_port)), *_LIMITS])
    health_pb2_grpc.add_HealthServicer_to_server(health, server)
    listening = listen(server, address, None)
    await server.start()
    _logger.info("health is served", extra={"health_address": listening})
    try:
        yield
    finally:
        await server.stop(None)


def is_well(address: str) -> bool:
    """Asks a port for probes whether the process serves."""
    with grpc.insecure_channel(address, [NO_PROXY]) as channel:
        try:
            answer = health_pb2_grpc.HealthStub(channel).Check(
                health_pb2.HealthCheckRequest(), timeout=_PROBE_TIMEOUT_S
            )
        except grpc.RpcError:
            return False
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("python -m transport.health HOST:PORT")
    sys.exit(not is_well(sys.argv[1]))
