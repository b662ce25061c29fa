"""The page of metrics that Prometheus reads."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

from transport.errors import CannotListenError

_logger = logging.getLogger(__name__)


@contextmanager
def exposed(registry: Collector, address: str) -> Iterator[None]:
    """Serves metrics over HTTP, in a thread, until the block ends. Logs where, as `metrics are served`.

    Args:
      registry: what is collected at each request.
      address: "host:port" to listen on, port 0 for a free one; empty for not at all.

    Raises:
      CannotListenError: it cannot listen there.
    """
    if not address:
        yield
        return
    host, _, port = address.rpartition(":")
    try:
        server, thread = start_http_server(int(port), host.strip("[]"), registry)
    except OSError as err:
        raise CannotListenError(address) from err
    _logger.info("metrics are served", extra={"metrics_address": f"{host}:{server.server_port}"})
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def of_processes(directory: Path, own: Collector) -> Collector:
    """Returns the metrics of all processes that were started with PROMETHEUS_MULTIPROC_DIR, as of one.

    Args:
      directory: the variable's value.
      own: what this process, which was not, has to tell beside them.
    """
    registry = CollectorRegistry()
    MultiProcessCollector(registry, str(directory))  # type: ignore[no-untyped-call]  # untyped there
    registry.register(own)
    return registry


def forget(directory: Path, pid: int) -> None:
    """Drops what a process that has died says of its present state; what it has counted stays."""
    mark_process_dead(pid, str(directory))  # type: ignore[no-untyped-call]  # untyped there
