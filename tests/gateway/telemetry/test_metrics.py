"""What a gateway process tells of itself on its page of metrics, and in its log."""

import asyncio
import re
from pathlib import Path

import grpc
import psutil
import pytest
from braintumor.v1 import classifier_service_pb2 as pb2
from braintumor.v1 import classifier_service_pb2_grpc

_PREDICT = "braintumor.v1.ClassifierService/Predict"
_STREAM = "braintumor.v1.ClassifierService/PredictStream"
_ALERTS = Path(__file__).parents[3] / "serving/monitoring/alerts.yml"
_METRICS = {"GATEWAY_METRICS_ADDRESS": "127.0.0.1:0"}
_SECRET = "patient-4711"  # noqa: S105 stands for what a caller might send


def _counts(page_of, gateway, calls):
    """The page once it has as many calls of Predict: who is refused may know it before it is counted."""

    async def page():
        now = await page_of(gateway)
        return now if now.total("braintumor_gateway_requests_total", method=_PREDICT) == calls else None

    return page


async def test_calls_are_counted_by_method_status_and_version(start_serving, spawn_gateway, page_of, png, until):
    async with start_serving() as serving, spawn_gateway(serving, **_METRICS) as gateway:
        for brightness in (20, 204, 250):
            await gateway.predict(png(brightness))
        for request in (pb2.PredictRequest(image=b"no image"), pb2.PredictRequest(image=png(20), version=77)):
            with pytest.raises(grpc.aio.AioRpcError):
                await gateway.classifier.Predict(request, metadata=[("x-routing-key", _SECRET)])
        page = await until(_counts(page_of, gateway, 5))

    ended = "braintumor_gateway_requests_total"
    assert page.total(ended, method=_PREDICT) == 5
    assert page.total(ended, method=_PREDICT, code="OK", model_version="1") == 3
    assert page.total(ended, method=_PREDICT, code="INVALID_ARGUMENT", model_version="") == 1
    assert page.total(ended, method=_PREDICT, code="NOT_FOUND", model_version="") == 1
    assert page.total("braintumor_gateway_request_duration_seconds_count", method=_PREDICT) == 5
    assert page.total("braintumor_gateway_requests_in_progress", method=_PREDICT) == 0
    assert page.total("braintumor_gateway_errors_total", reason="UNSUPPORTED_FORMAT") == 1
    assert page.total("braintumor_gateway_errors_total", reason="MODEL_VERSION_NOT_FOUND") == 1

    verdicts = "braintumor_gateway_predictions_total"
    assert page.total(verdicts, model_version="1", label="No Tumor", reliability="RELIABLE") == 1
    assert page.total(verdicts, model_version="1", label="Tumor", reliability="RELIABLE") == 1
    assert page.total(verdicts, model_version="1", label="Tumor", reliability="OUT_OF_DOMAIN") == 1

    assert page.total("braintumor_gateway_decode_duration_seconds_count") == 4  # one of them in vain
    for stage in ("queue", "inference"):
        assert page.total(f"braintumor_gateway_{stage}_duration_seconds_count") == 3
    assert page.total("braintumor_gateway_inferences_total", model_version="1", outcome="OK") == 3
    assert page.total("braintumor_gateway_batch_size_bucket", le="1.0") == 3
    assert page.total("braintumor_gateway_queue_depth") == 0
    assert page.total("braintumor_gateway_replicas", state="answering") == 1
    assert page.total("braintumor_gateway_served_version", label="latest") == 1
    assert page.total("braintumor_gateway_served_version", label="canary") == 0
    assert page.total("braintumor_gateway_backend_ready", backend="serving") == 1
    assert page.total("braintumor_gateway_backend_ready", backend="trainer") == 0
    assert _SECRET not in page.text


async def test_refused_calls_do_not_make_the_others_look_fast(start_serving, spawn_gateway, page_of, png, until):
    limited = _METRICS | {"GATEWAY_CALLER_RATE": "0.1", "GATEWAY_CALLER_BURST": "4"}
    async with start_serving() as serving, spawn_gateway(serving, **limited) as gateway:
        calls = (gateway.predict(png(204)) for _ in range(20))
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        page = await until(_counts(page_of, gateway, 20))

    refused = sum(isinstance(outcome, grpc.aio.AioRpcError) for outcome in outcomes)
    assert page.total("braintumor_gateway_requests_total", method=_PREDICT, code="RESOURCE_EXHAUSTED") == refused > 0
    durations = "braintumor_gateway_request_duration_seconds_count"
    assert page.total(durations, method=_PREDICT) == 20 - refused


async def test_counts_that_alerts_look_at_are_there_before_the_first(start_serving, spawn_gateway, page_of):
    async with start_serving() as serving, spawn_gateway(serving, **_METRICS) as gateway:
        page = await page_of(gateway)

    def values_of(name, label, **labels):
        found = [sample for sample in page.samples if sample.name == name and labels.items() <= sample.labels.items()]
        return {sample.labels[label] for sample in found}

    alerts = _ALERTS.read_text()
    reasons = {reason for pattern in re.findall(r'reason=~"(.+?)"', alerts) for reason in pattern.split("|")}
    codes, _ = re.findall(r'code=~"(.+?)"', alerts)  # those that fail, and the whole
    assert len(reasons) > 5
    assert reasons <= values_of("braintumor_gateway_errors_total", "reason")
    for method in (_PREDICT, _STREAM):
        assert set(codes.split("|")) <= values_of("braintumor_gateway_requests_total", "code", method=method)
    assert values_of("braintumor_gateway_inferences_total", "outcome", model_version="1") == {"OK", "MODEL_FAILED"}
    kinds = [sample for sample in page.samples if sample.name == "braintumor_gateway_predictions_total"]
    assert {sample.labels["reliability"] for sample in kinds} == {"RELIABLE", "UNCERTAIN", "OUT_OF_DOMAIN"}
    assert [(sample.labels["model_version"], sample.value) for sample in kinds] == [("1", 0)] * 6


async def test_a_method_that_there_is_not_makes_no_label(start_serving, spawn_gateway, page_of):
    async with start_serving() as serving, spawn_gateway(serving, **_METRICS) as gateway:
        with pytest.raises(grpc.aio.AioRpcError):
            await gateway.channel.unary_unary(f"/braintumor.v1.ClassifierService/{_SECRET}")(b"")
        page = await page_of(gateway)
    assert page.total("braintumor_gateway_requests_total", code="OK") > 0  # health checks
    assert _SECRET not in page.text


async def test_images_that_wait_show_as_queue_and_then_as_batch(start_serving, spawn_gateway, page_of, png, until):
    async with (
        start_serving() as serving,
        spawn_gateway(serving, GATEWAY_MAX_CALLS_IN_FLIGHT="1", **_METRICS) as gateway,
    ):
        serving.open.clear()
        calls = [asyncio.ensure_future(gateway.predict(png(20)))]
        await until(lambda: serving.in_flight == 1)
        calls += [asyncio.ensure_future(gateway.predict(png(20))) for _ in "1234"]

        async def four_wait():
            return (await page_of(gateway)).total("braintumor_gateway_queue_depth") == 4

        await until(four_wait)
        assert (await page_of(gateway)).total("braintumor_gateway_requests_in_progress", method=_PREDICT) == 5
        serving.open.set()
        await asyncio.gather(*calls)
        page = await page_of(gateway)
    assert page.total("braintumor_gateway_queue_depth") == 0
    assert page.total("braintumor_gateway_batch_size_sum") == 5
    assert page.total("braintumor_gateway_batch_size_count") == 2


async def test_images_of_streams_are_counted_too(start_serving, spawn_gateway, page_of, png):
    async with start_serving() as serving, spawn_gateway(serving, **_METRICS) as gateway:
        images = [png(20), png(204), b"no image"]
        requests = [
            pb2.PredictStreamRequest(id=str(number), request=pb2.PredictRequest(image=image))
            for number, image in enumerate(images)
        ]
        assert len([answer async for answer in gateway.classifier.PredictStream(iter(requests))]) == 3
        page = await page_of(gateway)
    assert page.total("braintumor_gateway_requests_total", method=_STREAM, code="OK", model_version="") == 1
    assert page.total("braintumor_gateway_predictions_total", model_version="1") == 2
    assert page.total("braintumor_gateway_errors_total", reason="UNSUPPORTED_FORMAT") == 1


async def test_serving_that_leaves_shows_in_retries_and_replicas(start_serving, spawn_gateway, page_of, png, until):
    async with start_serving() as serving, spawn_gateway(serving, **_METRICS) as gateway:
        await serving.stop()
        with pytest.raises(grpc.aio.AioRpcError):
            await gateway.predict(png(20), timeout=1)

        async def is_away():
            page = await page_of(gateway)
            seen = (
                page.total("braintumor_gateway_replicas", state="away"),
                page.total("braintumor_gateway_backend_ready", backend="serving"),
            )
            return seen == (1, 0)

        await until(is_away)
        page = await page_of(gateway)
    assert page.total("braintumor_gateway_retries_total", reason="SERVING_UNAVAILABLE") > 0
    failed = "braintumor_gateway_inferences_total"
    assert page.total(failed, model_version="1", outcome="SERVING_UNAVAILABLE") > 0


async def test_workers_are_seen_as_one_gateway(start_serving, spawn_gateway, page_of, png, until):
    async with start_serving() as serving, spawn_gateway(serving, GATEWAY_WORKERS="2", **_METRICS) as gateway:

        async def predict():
            options = [("grpc.use_local_subchannel_pool", 1)]  # so that the kernel chooses the worker anew
            async with grpc.aio.insecure_channel(gateway.address, options) as channel:
                stub = classifier_service_pb2_grpc.ClassifierServiceStub(channel)
                await stub.Predict(pb2.PredictRequest(image=png(204)), timeout=15, wait_for_ready=True)

        async def counted():
            page = await page_of(gateway)
            return page.total("braintumor_gateway_requests_total", method=_PREDICT, code="OK", model_version="1")

        async def number_of(name):
            return (await page_of(gateway)).total(f"braintumor_gateway_{name}")

        await asyncio.gather(*(predict() for _ in range(24)))
        assert await counted() == 24
        assert await number_of("worker_deaths_total") == 0
        page = await page_of(gateway)
        assert page.total("braintumor_gateway_served_version", label="latest") == 1
        assert page.total("braintumor_gateway_backend_ready", backend="serving") == 1

        # One that dies takes its gauges with it, and leaves its counts.
        workers = {child.pid for child in psutil.Process(gateway.process.pid).children()}
        victim = min(workers)
        psutil.Process(victim).kill()
        await until(lambda: len({child.pid for child in psutil.Process(gateway.process.pid).children()} - workers) == 1)
        assert await counted() == 24
        assert await number_of("worker_deaths_total") == 1
        await predict()
        assert await counted() == 25

        # The oldest look at serving moves on as long as all of them live.
        last_look = await number_of("last_look_timestamp_seconds")

        async def moves_on():
            return await number_of("last_look_timestamp_seconds") > last_look

        await until(moves_on)


async def test_a_call_leaves_a_record_where_it_is_asked_for(start_serving, spawn_gateway, png, until):
    async with start_serving() as serving, spawn_gateway(serving, GATEWAY_ACCESS_LOG_LEVEL="INFO") as gateway:
        metadata = [("x-request-id", "r1"), ("x-routing-key", _SECRET)]
        await gateway.predict(png(20), metadata=metadata)
        with pytest.raises(grpc.aio.AioRpcError):
            await gateway.predict(b"no image", metadata=[("x-request-id", "r2")])
        (record,) = [record for record in gateway.logs() if record.get("request_id") == "r1"]
        (failed,) = await until(lambda: [line for line in gateway.logs() if line.get("request_id") == "r2"])
        told = gateway.log_file.read_text()
    assert (record["logger"], record["level"], record["method"], record["code"]) == (
        "gateway.access",
        "INFO",
        _PREDICT,
        "OK",
    )
    assert (record["model_version"], record["caller"]) == (1, "127.0.0.1")
    assert 0 < record["duration_ms"] < 20_000
    assert record["reason"] is None
    assert (failed["code"], failed["reason"]) == ("INVALID_ARGUMENT", "UNSUPPORTED_FORMAT")
    assert _SECRET not in told


async def test_by_default_calls_leave_no_record_and_nothing_is_served(start_serving, spawn_gateway, png):
    async with start_serving() as serving, spawn_gateway(serving) as gateway:
        await gateway.predict(png(20))
        assert {record["logger"] for record in gateway.logs()}.isdisjoint(
            {"gateway.access", "observability.exposition"}
        )
        ports = [
            connection
            for connection in psutil.Process(gateway.process.pid).net_connections()
            if connection.status == psutil.CONN_LISTEN
        ]
    assert len(ports) == 1
