"""A trace goes from the caller through the gateway to serving and trainer, and its spans to a collector."""

import asyncio
import socket
import subprocess
import sys

import pytest
from braintumor.v1 import classifier_service_pb2 as pb2
from grpc_health.v1 import health_pb2

from observability import tracing

_TRACE, _SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
_SAMPLED, _UNSAMPLED = f"00-{_TRACE}-{_SPAN}-01", f"00-{_TRACE}-{_SPAN}-00"
_PREDICT = "braintumor.v1.ClassifierService/Predict"
_SECRET = "patient-4711"  # noqa: S105 stands for what a caller might send


async def _predict(gateway, image, traceparent):
    metadata = [("traceparent", traceparent), ("x-routing-key", _SECRET), ("x-request-id", "r1")]
    return await gateway.predict(image, metadata=metadata)


async def test_spans_of_a_predict_call_hang_together(start_serving, spawn_gateway, collect, png):
    async with collect() as collector, start_serving() as serving:
        async with spawn_gateway(
            serving,
            OTEL_EXPORTER_OTLP_ENDPOINT=collector.endpoint,
            GATEWAY_TRACE_RATIO="0",
            GATEWAY_ACCESS_LOG_LEVEL="INFO",
        ) as gateway:
            await _predict(gateway, png(204), _SAMPLED)
            (record,) = [record for record in gateway.logs() if record.get("request_id") == "r1"]
        # Its end has sent the rest.
        spans = {span.name: span for span in collector.spans}

    assert sorted(span.name for span in collector.spans) == sorted([_PREDICT, "decode", "queue", "inference"])
    assert collector.services == {"braintumor-gateway"}
    assert {span.trace_id.hex() for span in collector.spans} == {_TRACE} == {record["trace_id"]}
    assert spans[_PREDICT].parent_span_id.hex() == _SPAN
    for name in ("decode", "queue", "inference"):
        assert spans[name].parent_span_id == spans[_PREDICT].span_id
        assert spans[_PREDICT].start_time_unix_nano <= spans[name].start_time_unix_nano
        assert spans[name].end_time_unix_nano <= spans[_PREDICT].end_time_unix_nano
    attributes = {attribute.key: attribute.value for attribute in spans[_PREDICT].attributes}
    assert attributes["rpc.grpc.status_code"].string_value == "OK"
    assert attributes["request_id"].string_value == "r1"
    assert attributes["model_version"].int_value == 1
    assert _SECRET not in str(collector.spans)
    # Serving is told of the span that waits for it.
    assert serving.traceparents == [f"00-{_TRACE}-{spans['inference'].span_id.hex()}-01"]


async def test_a_call_that_fails_ends_its_spans(start_serving, spawn_gateway, collect):
    async with collect() as collector, start_serving() as serving:
        async with spawn_gateway(serving, OTEL_EXPORTER_OTLP_ENDPOINT=collector.endpoint) as gateway:
            with pytest.raises(Exception, match="known format"):
                await _predict(gateway, b"no image", _SAMPLED)
        spans = {span.name: span for span in collector.spans if span.trace_id.hex() == _TRACE}
    assert {name: span.status.message for name, span in spans.items()} == {
        _PREDICT: "INVALID_ARGUMENT",
        "decode": "UNSUPPORTED_FORMAT",
    }


async def test_a_stream_is_one_span_however_many_images_it_has(start_serving, spawn_gateway, collect, png):
    async with collect() as collector, start_serving() as serving:
        settings = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint, "GATEWAY_TRACE_RATIO": "0"}
        async with spawn_gateway(serving, **settings, GATEWAY_ACCESS_LOG_LEVEL="INFO") as gateway:
            requests = [pb2.PredictStreamRequest(id=str(n), request=pb2.PredictRequest(image=png(n))) for n in range(9)]
            call = gateway.classifier.PredictStream(iter(requests), metadata=[("traceparent", _SAMPLED)])
            assert len([answer async for answer in call]) == 9
        (record,) = [record for record in gateway.logs() if record.get("method", "").endswith("/PredictStream")]
    assert record["trace_id"] == _TRACE
    assert [span.name for span in collector.spans] == ["braintumor.v1.ClassifierService/PredictStream"]
    assert set(serving.traceparents) == {None}


async def test_the_caller_decides_and_else_the_ratio(start_serving, spawn_gateway, collect, png):
    async with collect() as collector, start_serving() as serving:
        async with spawn_gateway(
            serving, OTEL_EXPORTER_OTLP_ENDPOINT=collector.endpoint, GATEWAY_TRACE_RATIO="1"
        ) as gateway:
            await _predict(gateway, png(20), _UNSAMPLED)
            await gateway.predict(png(20))
            await gateway.health.Check(health_pb2.HealthCheckRequest())
        assert not [span for span in collector.spans if span.name.startswith("grpc.health")]
        roots = [span for span in collector.spans if span.name == _PREDICT]
    assert _TRACE not in {span.trace_id.hex() for span in collector.spans}
    assert [span.parent_span_id for span in roots] == [b""]


@pytest.mark.parametrize("listens", [False, True], ids=["away", "silent"])
async def test_a_collector_that_does_not_answer_costs_no_call(start_serving, spawn_gateway, png, listens):
    with socket.socket() as collector:
        collector.bind(("127.0.0.1", 0))
        if listens:
            collector.listen()
        endpoint = f"http://127.0.0.1:{collector.getsockname()[1]}"
        settings = {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "GATEWAY_TRACE_RATIO": "1"}
        async with start_serving() as serving, spawn_gateway(serving, **settings) as gateway:
            for _ in range(20):
                await _predict(gateway, png(20), _SAMPLED)
            gateway.process.terminate()
            assert await asyncio.wait_for(gateway.process.wait(), 20) == 0


def test_without_a_collector_opentelemetry_is_not_imported():
    program = (
        "import sys, gateway.server, observability.tracing as t\n"
        "with t.exporting('x', '', 1.0):\n"
        "    assert t.begin('call', ()) is None and t.child('part') is None and not t.outgoing()\n"
        "assert not [name for name in sys.modules if name.startswith('opentelemetry')]"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


@pytest.mark.parametrize(
    "given",
    [
        "",
        b"\x00",
        f"ff-{_TRACE}-{_SPAN}-01",
        f"00-{'0' * 32}-{_SPAN}-01",
        f"00-{_TRACE}-{'0' * 16}-01",
        f"00-{_TRACE.upper()}-{_SPAN}-01",
        f"00-{_TRACE}-{_SPAN}",
        "x" * 10_000,
    ],
)
def test_what_is_no_traceparent_begins_a_trace(given):
    with tracing.exporting("test", "http://127.0.0.1:1", 0.0):
        trace = tracing.begin("call", [("traceparent", given)])
    assert trace.span is None
    assert trace.trace_id != _TRACE
    assert trace.traceparent == f"00-{trace.trace_id}-{trace.traceparent[36:52]}-00"


def test_a_trace_that_its_caller_does_not_record_goes_on_all_the_same():
    with tracing.exporting("test", "http://127.0.0.1:1", 1.0):
        trace = tracing.begin("call", [("traceparent", _UNSAMPLED)])
    assert (trace.span, trace.trace_id, trace.traceparent) == (None, _TRACE, _UNSAMPLED)
