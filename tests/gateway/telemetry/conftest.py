"""A collector of traces, and a reader of metrics pages."""

import asyncio
import urllib.request
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from prometheus_client.parser import text_string_to_metric_families


class Page:
    """Metrics as Prometheus would read them."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]

    def total(self, name: str, **labels: str) -> float:
        """Sum over the samples of a name whose labels are such."""
        return sum(
            sample.value for sample in self.samples if sample.name == name and labels.items() <= sample.labels.items()
        )


class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    """An OTLP receiver, which keeps the spans that arrive."""

    def __init__(self) -> None:
        self.spans: list[Any] = []
        self.services: set[str] = set()
        self.endpoint = ""

    async def Export(self, request: Any, context: Any) -> Any:  # noqa: ARG002 gRPC passes both, and names it
        for resource in request.resource_spans:
            self.services |= {
                attribute.value.string_value
                for attribute in resource.resource.attributes
                if attribute.key == "service.name"
            }
            self.spans += [span for scope in resource.scope_spans for span in scope.spans]
        return trace_service_pb2.ExportTraceServiceResponse()

    def named(self, name: str) -> Any:
        """The only span of a name."""
        (span,) = [span for span in self.spans if span.name == name]
        return span


@pytest.fixture(scope="session")
def collect() -> Callable[[], AbstractAsyncContextManager[Collector]]:
    """Runs a collector."""

    @asynccontextmanager
    async def _collect() -> AsyncIterator[Collector]:
        collector = Collector()
        server = grpc.aio.server()
        trace_service_pb2_grpc.add_TraceServiceServicer_to_server(collector, server)
        collector.endpoint = f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
        await server.start()
        try:
            yield collector
        finally:
            await server.stop(None)

    return _collect


@pytest.fixture(scope="session")
def page_of() -> Callable[[Any], Any]:
    """Reads the metrics of a gateway process, wherever its log says that they are."""

    async def _page_of(gateway: Any) -> Page:
        address = next(record["metrics_address"] for record in gateway.logs() if "metrics_address" in record)

        def read() -> str:
            with urllib.request.urlopen(f"http://{address}/metrics", timeout=10) as answer:
                return str(answer.read().decode())

        return Page(await asyncio.to_thread(read))

    return _page_of
