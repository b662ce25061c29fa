"""A gateway from start to drain, in this process."""

import asyncio
import time
from collections import Counter
from contextlib import AsyncExitStack, asynccontextmanager, closing
from types import SimpleNamespace

import grpc
import pytest
from braintumor.v1 import classifier_service_pb2 as pb2
from braintumor.v1 import classifier_service_pb2_grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from gateway.telemetry.metrics import REGISTRY
from transport import keepalive
from transport.errors import CannotListenError


async def test_reflection_names_and_describes_all_services(start_serving, start_gateway):
    async with start_serving() as serving, start_gateway(serving, ready=False) as gateway:
        stub = reflection_pb2_grpc.ServerReflectionStub(gateway.channel)

        async def ask(**question):
            call = stub.ServerReflectionInfo(iter([reflection_pb2.ServerReflectionRequest(**question)]))
            (answer,) = [answer async for answer in call]
            return answer

        listed = {service.name for service in (await ask(list_services="")).list_services_response.service}
        assert listed == {
            "braintumor.v1.ClassifierService",
            "braintumor.v1.TrainerService",
            "braintumor.v1.ModelService",
            "google.longrunning.Operations",
            "grpc.health.v1.Health",
            "grpc.reflection.v1alpha.ServerReflection",
        }
        for name in listed:
            assert (await ask(file_containing_symbol=name)).file_descriptor_response.file_descriptor_proto


async def test_a_port_that_is_taken_is_an_error(start_serving, start_gateway):
    async with start_serving() as serving:
        with pytest.raises(CannotListenError, match=serving.address):
            async with start_gateway(serving, address=serving.address):
                pass


async def test_calls_in_flight_finish_and_new_ones_are_refused(start_serving, start_gateway, png, until):
    async with start_serving() as serving, _draining(start_gateway(serving, drain_grace_s=20.0)) as gateway:
        serving.open.clear()
        watcher = gateway.health.Watch(health_pb2.HealthCheckRequest())
        assert (await watcher.read()).status == health_pb2.HealthCheckResponse.SERVING
        call = asyncio.ensure_future(gateway.classifier.Predict(pb2.PredictRequest(image=png(204))))
        await until(lambda: serving.in_flight == 1)
        gateway.drain.set()
        assert (await watcher.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
        await until(lambda: _refuses(gateway.address))
        assert not gateway.drained.done()
        serving.open.set()
        assert (await call).prediction.label == "Tumor"
        begun = time.monotonic()
        await gateway.drained
        assert time.monotonic() - begun < 5  # Neither the watcher nor the grace period holds it up.


async def test_calls_that_wait_to_be_begun_finish_too(start_serving, spawn_gateway, png, until):
    """Of many calls at once most wait in gRPC, which cancels them when its server stops."""
    answered = 0
    drain = asyncio.Event()

    async def call_on(classifier):
        nonlocal answered
        while not drain.is_set():
            await classifier.Predict(pb2.PredictRequest(image=png(204)), timeout=60)
            answered += 1

    async with start_serving() as serving, spawn_gateway(serving) as gateway, AsyncExitStack() as stack:
        options = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0)]
        channels = [
            await stack.enter_async_context(grpc.aio.insecure_channel(gateway.address, options)) for _ in range(4)
        ]
        callers = [classifier_service_pb2_grpc.ClassifierServiceStub(channel) for channel in channels]
        calls = [asyncio.ensure_future(call_on(caller)) for caller in callers for _ in range(25)]
        await until(lambda: answered > 200)
        drain.set()
        gateway.process.terminate()
        await asyncio.gather(*calls)
        assert await asyncio.wait_for(gateway.process.wait(), 20) == 0


async def test_calls_that_outlast_the_grace_period_are_cut_off(start_serving, start_gateway, png, until):
    async with start_serving() as serving, _draining(start_gateway(serving, drain_grace_s=0.2)) as gateway:
        serving.open.clear()
        call = asyncio.ensure_future(gateway.classifier.Predict(pb2.PredictRequest(image=png(204))))
        await until(lambda: serving.in_flight == 1)
        gateway.drain.set()
        with pytest.raises(grpc.aio.AioRpcError):
            await call
        await gateway.drained
        await until(lambda: serving.in_flight == 0)


async def test_a_stream_without_end_is_told_to_go_on_elsewhere(start_serving, start_gateway, png, told):
    async with start_serving() as serving, _draining(start_gateway(serving, drain_grace_s=2.0)) as gateway:
        stream = gateway.classifier.PredictStream()
        await stream.write(pb2.PredictStreamRequest(id="1", request=pb2.PredictRequest(image=png(204))))
        assert (await stream.read()).id == "1"
        gateway.drain.set()
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stream.read()
        assert told(caught.value).reason == "GATEWAY_STOPPING"
        await gateway.drained


async def test_whoever_vanishes_without_a_word_holds_no_stream(start_serving, start_gateway, raw, until, monkeypatch):
    soon = (("grpc.keepalive_time_ms", 100), ("grpc.http2.ping_timeout_ms", 100))
    monkeypatch.setattr(keepalive, "OF_SERVERS", soon)
    watch = {"method": "grpc.health.v1.Health/Watch"}
    async with start_serving() as serving, start_gateway(serving) as gateway:
        with closing(raw.RawCaller(gateway.address)) as caller:  # which answers no ping
            caller.begin("/grpc.health.v1.Health/Watch", raw.whole(b""))
            await asyncio.to_thread(caller.wait_closed)
            await until(lambda: REGISTRY.get_sample_value("braintumor_gateway_requests_in_progress", watch) == 0)


async def test_metadata_may_be_as_long_as_a_token_with_many_groups(start_serving, start_gateway):
    """Left to itself, gRPC refuses most calls with so much, and not all."""
    async with start_serving() as serving, start_gateway(serving) as gateway:
        for _ in range(20):
            request = pb2.GetServiceInfoRequest()
            await gateway.classifier.GetServiceInfo(request, metadata=[("x-groups", "g" * 15_000)])


@asynccontextmanager
async def _draining(starting):
    """Runs a gateway that drains when its `drain` is set, with a caller whose channel outlives it."""
    started = asyncio.get_running_loop().create_future()
    drain = asyncio.Event()

    async def run():
        async with starting as gateway:
            started.set_result(gateway.address)
            await drain.wait()

    drained = asyncio.ensure_future(run())
    address = await started
    async with grpc.aio.insecure_channel(address) as channel:
        yield SimpleNamespace(
            address=address,
            classifier=classifier_service_pb2_grpc.ClassifierServiceStub(channel),
            health=health_pb2_grpc.HealthStub(channel),
            drain=drain,
            drained=drained,
        )
        drain.set()
        await drained


async def _refuses(address):
    async with grpc.aio.insecure_channel(address) as channel:
        try:
            await classifier_service_pb2_grpc.ClassifierServiceStub(channel).GetServiceInfo(
                pb2.GetServiceInfoRequest(), timeout=5
            )
        except grpc.aio.AioRpcError as err:
            return err.code() is grpc.StatusCode.UNAVAILABLE
        return False


async def test_a_burst_of_thousands_of_calls_is_answered_by_us(start_serving, spawn_gateway, png):
    """Where too many wait for us, or come over one connection, gRPC cancels calls without a word of why."""
    outcomes: Counter[grpc.StatusCode] = Counter()

    async def call(classifier):
        try:
            await classifier.Predict(pb2.PredictRequest(image=png(204)), timeout=60)
        except grpc.aio.AioRpcError as err:
            outcomes[err.code()] += 1
        else:
            outcomes[grpc.StatusCode.OK] += 1

    async with start_serving() as serving, spawn_gateway(serving) as gateway, AsyncExitStack() as stack:
        options = [("grpc.use_local_subchannel_pool", 1)]
        channels = [
            await stack.enter_async_context(grpc.aio.insecure_channel(gateway.address, options)) for _ in range(2)
        ]
        await asyncio.gather(*(channel.channel_ready() for channel in channels))
        callers = [classifier_service_pb2_grpc.ClassifierServiceStub(channel) for channel in channels]
        await asyncio.gather(*(call(caller) for caller in callers for _ in range(1500)))
    assert outcomes.keys() <= {grpc.StatusCode.OK, grpc.StatusCode.RESOURCE_EXHAUSTED}, outcomes
