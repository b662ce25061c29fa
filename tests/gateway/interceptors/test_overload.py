"""What becomes of calls that are too many: a real gateway on a fake serving."""

import asyncio
import time

import braintumor
import grpc
import pytest
from braintumor.v1 import classifier_service_pb2 as pb2
from grpc_health.v1 import health_pb2

from gateway.interceptors.receiving import IMAGES_AT_ONCE, OTHERS_AT_ONCE
from gateway.telemetry import metrics

_PREDICT = "/braintumor.v1.ClassifierService/Predict"
_CHECK = "/grpc.health.v1.Health/Check"


def _request(image, **fields):
    return pb2.PredictRequest(image=image, **fields)


async def test_a_call_that_would_be_late_is_refused_at_once(start_serving, start_gateway, png, until, failure_of):
    async with start_serving() as serving, start_gateway(serving, max_calls_in_flight=1) as gateway:
        serving.open.clear()
        slow = asyncio.ensure_future(gateway.predict(png(1)))
        await until(lambda: serving.in_flight == 1)
        begun = time.monotonic()
        await asyncio.sleep(0.4)  # what a call to serving takes from now on
        serving.open.set()
        await slow
        takes_s = time.monotonic() - begun
        serving.open.clear()
        waiting = asyncio.ensure_future(gateway.predict(png(1)))
        await until(lambda: serving.in_flight == 1)
        failure = await failure_of(gateway.predict(png(2), timeout=takes_s))
        assert (failure.code, failure.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "DEADLINE_UNREACHABLE")
        assert 0 < failure.retry_after_s < 3 * takes_s
        patient = asyncio.ensure_future(gateway.predict(png(2), timeout=60))
        await until(lambda: gateway.waiting == 1)
        serving.open.set()
        await asyncio.gather(waiting, patient)


async def test_large_pictures_do_not_shut_out_slices(start_serving, start_gateway, png):
    large = png(204, size=4000)
    async with start_serving() as serving, start_gateway(serving) as gateway:
        over = asyncio.Event()

        async def send_large():
            while not over.is_set():
                await gateway.predict(large, timeout=60)

        async with asyncio.TaskGroup() as tasks:
            for _ in range(4):
                tasks.create_task(send_large())
            for _ in range(50):
                await gateway.predict(png(204), timeout=20)
            over.set()


async def test_a_slow_serving_is_given_all_that_it_can_take(start_serving, start_gateway, png):
    """Its calls take most of a caller's time, and yet no second one is refused while none has to wait."""
    async with start_serving() as serving, start_gateway(serving, max_calls_in_flight=8) as gateway:

        async def one():
            return await gateway.predict(png(1), timeout=2)

        for _ in range(2):
            serving.open.clear()
            asyncio.get_running_loop().call_later(1.2, serving.open.set)
            answers = await asyncio.gather(*(one() for _ in range(8)), return_exceptions=True)
        assert [answer for answer in answers if isinstance(answer, Exception)] == []


async def test_a_call_is_refused_before_its_image_is_there(start_serving, start_gateway, png, until, told):
    """Its caller would go on sending, and is told at once that there is no need to."""
    async with start_serving() as serving, start_gateway(serving, max_queued_images=1) as gateway:
        serving.open.clear()
        waiting = asyncio.ensure_future(gateway.predict(png(1)))
        await until(lambda: gateway.in_work == 1)
        call = gateway.channel.stream_unary(_PREDICT)()  # sends nothing at all
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call
        assert told(caught.value).reason == "QUEUE_FULL"
        serving.open.set()
        await waiting


async def test_bytes_in_work_are_bounded(start_serving, start_gateway, png, until, failure_of):
    image = png(204) + bytes(40_000)
    async with start_serving() as serving, start_gateway(serving, max_queued_bytes=100_000) as gateway:
        serving.open.clear()
        calls = [asyncio.ensure_future(gateway.predict(image)) for _ in range(2)]
        await until(lambda: gateway.in_work == 2)
        failure = await failure_of(gateway.predict(image))
        assert (failure.code, failure.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "QUEUE_FULL")
        small = asyncio.ensure_future(gateway.predict(png(204)))
        await until(lambda: gateway.in_work == 3)
        serving.open.set()
        await asyncio.gather(*calls, small)


async def test_a_call_without_a_request_is_the_callers_mistake(start_serving, start_gateway, told):
    async with start_serving() as serving, start_gateway(serving) as gateway:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await gateway.channel.stream_unary(_PREDICT)(iter([]))
        assert told(caught.value).reason == "REQUEST_MALFORMED"


async def test_a_caller_beyond_its_rate_is_refused_and_told_for_how_long(start_serving, start_gateway, png, failure_of):
    limits = {"caller_rate": 0.1, "caller_burst": 2}
    async with start_serving() as serving, start_gateway(serving, **limits) as gateway:
        for _ in range(2):
            await gateway.predict(png(204))
        failure = await failure_of(gateway.predict(png(204)))
        assert (failure.code, failure.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "CALLER_RATE_EXCEEDED")
        assert 1 < failure.retry_after_s <= 10
        with pytest.raises(grpc.aio.AioRpcError):
            await gateway.classifier.GetServiceInfo(pb2.GetServiceInfoRequest())
        await gateway.health.Check(health_pb2.HealthCheckRequest())  # probes are not counted


async def test_a_stream_leaves_its_callers_calls_their_rate(start_serving, start_gateway, png, until):
    limits = {"caller_rate": 10, "caller_burst": 4}
    async with start_serving() as serving, start_gateway(serving, **limits) as gateway:
        requests = (pb2.PredictStreamRequest(id=str(index), request=_request(png(204))) for index in range(1000))
        stream = gateway.classifier.PredictStream(requests)
        await until(lambda: len(serving.batch_sizes) > 2)
        await gateway.predict(png(204))
        stream.cancel()


async def test_an_image_of_no_size_is_refused_while_serving_is_away(start_serving, start_gateway, failure_of):
    async with start_serving() as serving:
        pass
    async with start_gateway(serving, ready=False) as gateway:
        failure = await failure_of(gateway.predict(b"", timeout=20))
        assert failure.reason == "IMAGE_EMPTY"


async def test_a_stream_beyond_its_rate_waits(start_serving, start_gateway, png):
    limits = {"caller_rate": 20, "caller_burst": 4}
    async with start_serving() as serving, start_gateway(serving, **limits) as gateway:
        requests = (pb2.PredictStreamRequest(id=str(index), request=_request(png(204))) for index in range(9))
        begun = time.monotonic()
        answers = [answer async for answer in gateway.classifier.PredictStream(requests)]
        assert {answer.WhichOneof("result") for answer in answers} == {"response"}
        assert len(answers) == 9
        # Four images at once, the others one each twentieth of a second; a clock may be a little coarse.
        assert time.monotonic() - begun > 5 / 20 * 0.9


async def test_a_caller_has_so_many_streams_open_and_no_more(start_serving, start_gateway, png, failure_of):
    async with start_serving() as serving, start_gateway(serving, max_streams_of_caller=1) as gateway:
        item = pb2.PredictStreamRequest(request=_request(png(204)))
        first = gateway.classifier.PredictStream()
        await first.write(item)
        await first.read()
        failure = await failure_of(gateway.classifier.PredictStream(iter([item])).read())
        assert (failure.code, failure.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "QUEUE_FULL")
        await first.done_writing()
        assert await first.code() is grpc.StatusCode.OK
        assert (await gateway.classifier.PredictStream(iter([item])).read()).HasField("response")


async def test_watches_of_health_have_a_limit_of_their_own(start_serving, start_gateway, png, failure_of, monkeypatch):
    """They need no token, and have no end."""
    monkeypatch.setattr("gateway.interceptors.streams.WATCHES", 2)
    async with start_serving() as serving, start_gateway(serving, max_streams_of_caller=1) as gateway:
        watches = [gateway.health.Watch(health_pb2.HealthCheckRequest()) for _ in range(2)]
        assert {(await watch.read()).status for watch in watches} == {health_pb2.HealthCheckResponse.SERVING}
        failure = await failure_of(gateway.health.Watch(health_pb2.HealthCheckRequest()).read())
        assert (failure.code, failure.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "QUEUE_FULL")
        item = pb2.PredictStreamRequest(request=_request(png(204)))
        assert (await gateway.classifier.PredictStream(iter([item])).read()).HasField("response")
        assert await gateway.is_serving()


async def test_a_client_that_retries_is_told_when_to(start_serving, start_gateway, png, until):
    async with start_serving() as serving, start_gateway(serving, max_queued_images=1) as gateway:
        serving.open.clear()
        waiting = asyncio.ensure_future(gateway.predict(png(1)))
        await until(lambda: gateway.in_work == 1)
        for timeout_s, pushback in [(10, "500"), (0.4, "-1")]:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await gateway.predict(png(2), timeout=timeout_s)
            assert dict(caught.value.trailing_metadata())["grpc-retry-pushback-ms"] == pushback
        serving.open.set()
        await waiting


async def test_a_client_that_retries_learns_the_reason_in_the_end(start_serving, start_gateway, png):
    """It would go on until its deadline, and have nothing but that to tell."""
    async with start_serving() as serving, start_gateway(serving) as gateway:
        await serving.stop()
        async with braintumor.AsyncClient(gateway.address, timeout_s=1.5) as client:
            with pytest.raises(braintumor.ServiceError) as caught:
                await client.predict(png(204))
        assert (caught.value.code, caught.value.reason) == (grpc.StatusCode.UNAVAILABLE, "SERVING_UNAVAILABLE")
        await serving.start()


_HELD = {
    "/grpc.health.v1.Health/Check": "unary",
    "/grpc.health.v1.Health/Watch": "stream",
    "/braintumor.v1.ModelService/PromoteModelVersion": "unary",
    "/braintumor.v1.ClassifierService/GetServiceInfo": "unary",
    _PREDICT: "unary",
}


@pytest.mark.parametrize("given_s", [None, 60])
@pytest.mark.parametrize("method", _HELD)
async def test_a_request_that_does_not_come_is_not_waited_for(start_serving, start_gateway, told, method, given_s):
    """Of no method: who has read a request whole before anybody is asked has its bytes already."""
    async with start_serving() as serving, start_gateway(serving, receive_timeout_s=0.2) as gateway:
        kind = gateway.channel.stream_unary if _HELD[method] == "unary" else gateway.channel.stream_stream
        call = kind(method)(timeout=given_s)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await (call if _HELD[method] == "unary" else call.read())
        failure = told(caught.value)
        assert (failure.code, failure.reason) == (grpc.StatusCode.DEADLINE_EXCEEDED, "REQUEST_LATE")


@pytest.mark.parametrize(("held", "other"), [(_PREDICT, _CHECK), (_CHECK, _PREDICT)])
async def test_so_many_calls_of_a_caller_wait_for_their_requests_and_no_more(
    start_serving, start_gateway, png, until, failure_of, monkeypatch, held, other
):
    """Anybody can begin calls without end, of health without a token."""
    monkeypatch.setattr("gateway.interceptors.receiving.WAITING", 2)
    requests = {_PREDICT: _request(png(1)).SerializeToString(), _CHECK: b""}
    async with start_serving() as serving, start_gateway(serving) as gateway:
        begun = [gateway.channel.stream_unary(held)() for _ in range(2)]
        in_progress = metrics.REQUESTS_IN_PROGRESS.labels(held.removeprefix("/"))
        await until(lambda: in_progress._value.get() == 2)
        failure = await failure_of(gateway.channel.unary_unary(held)(requests[held]))
        assert (failure.code, failure.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "QUEUE_FULL")
        assert await gateway.channel.unary_unary(other)(requests[other])
        begun[0].cancel()
        await until(lambda: in_progress._value.get() == 1)
        assert await gateway.channel.unary_unary(held)(requests[held])
        begun[1].cancel()


@pytest.mark.parametrize(
    ("held", "at_once", "other"), [(_PREDICT, IMAGES_AT_ONCE, _CHECK), (_CHECK, OTHERS_AT_ONCE, _PREDICT)]
)
async def test_requests_of_one_caller_come_in_a_few_at_a_time(
    start_serving, start_gateway, png, until, held, at_once, other
):
    requests = {_PREDICT: _request(png(1)).SerializeToString(), _CHECK: b""}
    async with start_serving() as serving, start_gateway(serving) as gateway:

        async def sent(method):
            return await gateway.channel.unary_unary(method)(requests[method])

        begun = [gateway.channel.stream_unary(held)() for _ in range(at_once)]
        in_progress = metrics.REQUESTS_IN_PROGRESS.labels(held.removeprefix("/"))
        await until(lambda: in_progress._value.get() == at_once)
        waiting = asyncio.ensure_future(sent(held))
        done, _ = await asyncio.wait([waiting], timeout=0.5)
        assert not done
        assert await sent(other)
        begun[0].cancel()
        assert await waiting
        for call in begun:
            call.cancel()
