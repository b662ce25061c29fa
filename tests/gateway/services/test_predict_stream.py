"""PredictStream: a real gateway on a fake serving."""

import asyncio
import time

import grpc
import pytest
from braintumor.v1 import classifier_service_pb2 as pb2

from gateway.telemetry.metrics import REGISTRY


def _request(image, **fields):
    return pb2.PredictRequest(image=image, **fields)


async def test_a_stream_answers_every_image_by_id(start_serving, start_gateway, png):
    async with start_serving() as serving, start_gateway(serving) as gateway:
        call = gateway.classifier.PredictStream(_stream([png(value) for value in range(256)] * 2))
        answers = {answer.id: answer.response async for answer in call}
        assert len(answers) == 512
        for index in range(512):
            probability = answers[f"image-{index}"].prediction.probability
            assert probability == pytest.approx(index % 256 / 255, abs=1e-3)
        assert 1 < max(serving.batch_sizes) <= 32


async def test_streams_that_end_at_their_deadlines_are_counted_so(start_serving, start_gateway, png, until):
    """Also those that were about to hand out an answer."""

    def ended():
        method = "braintumor.v1.ClassifierService/PredictStream"
        codes = ("OK", "CANCELLED", "DEADLINE_EXCEEDED")
        labels = [{"method": method, "code": code, "model_version": ""} for code in codes]
        return [REGISTRY.get_sample_value("braintumor_gateway_requests_total", each) or 0 for each in labels]

    before = ended()
    async with start_serving() as serving, start_gateway(serving) as gateway:

        async def endless():
            while True:
                yield pb2.PredictStreamRequest(request=_request(png(20)))

        async def follow(timeout_s):
            with pytest.raises(grpc.aio.AioRpcError):
                _ = [answer async for answer in gateway.classifier.PredictStream(endless(), timeout=timeout_s)]

        await asyncio.gather(*(follow(0.5 + index / 100) for index in range(20)))
        await until(lambda: sum(ended()) == sum(before) + 20)
    assert ended() == [*before[:2], before[2] + 20]


async def test_a_stream_without_images_ends(start_serving, start_gateway):
    async with start_serving() as serving, start_gateway(serving) as gateway:
        assert [answer async for answer in gateway.classifier.PredictStream(iter([]))] == []


async def test_a_bad_image_of_a_stream_is_an_error_of_its_own(start_serving, start_gateway, png, told):
    async with start_serving() as serving, start_gateway(serving) as gateway:
        requests = [*_stream([png(204), b"no image", png(120)])]
        requests.append(pb2.PredictStreamRequest(id="empty"))
        requests.append(pb2.PredictStreamRequest(id="version", request=_request(png(1), version=7)))
        answers = {answer.id: answer async for answer in gateway.classifier.PredictStream(iter(requests))}
        assert answers["image-0"].response.prediction.label == "Tumor"
        assert answers["image-2"].response.prediction.label == "No Tumor"
        failures = {name: told(answers[name].error) for name in ("image-1", "empty", "version")}
        assert {name: failure.reason for name, failure in failures.items()} == {
            "image-1": "UNSUPPORTED_FORMAT",
            "empty": "IMAGE_EMPTY",
            "version": "MODEL_VERSION_NOT_FOUND",
        }
        assert failures["image-1"].field == "image"


async def test_a_stream_is_not_read_beyond_its_window(start_serving, start_gateway, png, until):
    async with start_serving() as serving, start_gateway(serving, stream_window=8) as gateway:
        serving.open.clear()
        sent = 0
        big = png(204) + bytes(500_000)  # Large beside the transport's own buffers.

        async def requests():
            nonlocal sent
            for index in range(200):
                yield pb2.PredictStreamRequest(id=str(index), request=_request(big))
                sent += 1

        call = gateway.classifier.PredictStream(requests())
        await until(lambda: serving.in_flight == 2)
        await until(_standing(lambda: sent))
        assert sent < 60
        serving.open.set()
        assert len([answer async for answer in call]) == 200


async def test_a_stream_that_is_cancelled_drops_its_work(start_serving, start_gateway, png, until):
    async with start_serving() as serving, start_gateway(serving) as gateway:
        serving.open.clear()
        call = gateway.classifier.PredictStream(_stream([png(value) for value in range(100)]))
        reading = asyncio.ensure_future(call.read())
        await until(lambda: serving.in_flight == 2)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        await until(lambda: serving.in_flight == 0)
        assert serving.cancelled == 2
        assert sum(serving.batch_sizes) < 100


async def test_a_stream_leaves_room_for_single_calls(start_serving, start_gateway, png, until):
    async with start_serving() as serving, start_gateway(serving, stream_window=4, max_queued_images=1) as gateway:
        serving.open.clear()
        call = gateway.classifier.PredictStream(_stream([png(value) for value in range(100)]))
        reading = asyncio.ensure_future(call.read())
        await until(lambda: serving.in_flight == 2)
        single = asyncio.ensure_future(gateway.predict(png(204)))
        serving.open.set()
        assert (await single).prediction.label == "Tumor"
        await reading
        call.cancel()


def _stream(images):
    for index, image in enumerate(images):
        yield pb2.PredictStreamRequest(id=f"image-{index}", request=_request(image))


def _standing(value, still_s=0.3):
    """A condition that holds once a value has not changed for a while."""
    seen = (None, 0.0)

    def _holds():
        nonlocal seen
        now = time.monotonic()
        if value() != seen[0]:
            seen = (value(), now)
        return now - seen[1] > still_s

    return _holds
