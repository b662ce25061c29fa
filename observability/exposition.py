"""The page of metrics that Prometheus reads."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

from transport.addresses import place_of, with_port
from transport.errors import CannotListenError
from transport.http_server import PatientServer, QuietHandler

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
    try:
        server = _Server(address, registry)
    except OSError as err:
        raise CannotListenError(address) from err
    Thread(target=server.serve_forever, daemon=True).start()
    _logger.info("metrics are served", extra={"metrics_address": with_port(address, server.server_port)})
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


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


class _Server(PatientServer, WSGIServer):
    def __init__(self, address: str, registry: Collector) -> None:
        self.address_family, place = place_of(address)
        super().__init__(place, _Handler)
        self.set_app(make_wsgi_app(registry))


class _Handler(QuietHandler, WSGIRequestHandler):
    timeout = 30.0
    """For what comes and goes, in seconds: the thread of a connection on which nothing comes ends, too."""
