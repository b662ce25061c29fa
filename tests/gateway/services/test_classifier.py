"""ClassifierService: a real gateway on a fake serving."""

import asyncio
import io
import time
import tomllib
from pathlib import Path

import grpc
import pytest
from braintumor.v1 import classifier_service_pb2 as pb2
from PIL import Image

_ROOT = Path(__file__).parents[3]


def _request(image, **fields):
    return pb2.PredictRequest(image=image, **fields)


async def _failure(call, told):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return told(caught.value)


async def test_a_slice_gets_a_verdict(start_serving, start_gateway, png):
    async with start_serving() as serving, start_gateway(serving) as gateway:
        response = await gateway.classifier.Predict(_request(png(204)))
        assert response.model_name == "brain_tumor"
        assert response.model_version == 1
        assert response.prediction.label == "Tumor"
        assert response.prediction.probability == pytest.approx(0.8, abs=1e-3)  # One pixel differs from the others.
        assert response.prediction.reliability == pb2.RELIABLE
        assert response.prediction.ood_score == pytest.approx(8, abs=1e-2)
        assert not response.HasField("explanation")
        dark = (await gateway.classifier.Predict(_request(png(120)))).prediction
        assert (dark.label, dark.reliability) == ("No Tumor", pb2.UNCERTAIN)


async def test_the_image_is_fitted_to_the_version_that_answers(start_serving, start_gateway, fake_version, png):
    versions = {1: fake_version(8, 8, 1), 2: fake_version(32, 24, 3), 3: fake_version(5, 5, 1)}
    labels = {"stable": 1, "canary": 2}
    async with start_serving(versions=versions, labels=labels) as serving, start_gateway(serving) as gateway:
        image = png(204, size=64)
        answers = [
            await gateway.classifier.Predict(_request(image, **selector))
            for selector in ({}, {"version_label": "canary"}, {"version": 3}, {"version_label": "stable"})
        ]
        assert [answer.model_version for answer in answers] == [1, 2, 3, 1]
        assert all(answer.prediction.probability == pytest.approx(0.8, abs=1e-2) for answer in answers)


async def test_a_version_with_probabilities_alone_answers(start_serving, start_gateway, fake_version, png):
    versions = {1: fake_version(outputs=("probabilities",))}
    async with start_serving(versions=versions) as serving, start_gateway(serving) as gateway:
        prediction = (await gateway.classifier.Predict(_request(png(204)))).prediction
        assert (prediction.label, prediction.reliability) == ("Tumor", pb2.UNCERTAIN)


async def test_a_verdict_can_be_explained(start_serving, start_gateway, png):
    async with start_serving() as serving, start_gateway(serving) as gateway:
        response = await gateway.classifier.Predict(_request(png(204, size=40), explain=True))
        assert response.prediction.label == "Tumor"
        for picture, mode in [(response.explanation.heatmap_png, "L"), (response.explanation.overlay_png, "RGB")]:
            image = Image.open(io.BytesIO(picture))
            assert (image.format, image.mode, image.size) == ("PNG", mode, (40, 40))


async def test_a_version_that_cannot_explain_says_so(start_serving, start_gateway, fake_version, png, told):
    versions = {1: fake_version(explains=False)}
    async with start_serving(versions=versions) as serving, start_gateway(serving) as gateway:
        failure = await _failure(gateway.classifier.Predict(_request(png(204), explain=True)), told)
        assert (failure.code, failure.reason) == (grpc.StatusCode.UNIMPLEMENTED, "EXPLANATION_UNAVAILABLE")


async def test_a_version_or_label_that_is_not_there_is_not_found(start_serving, start_gateway, png, told):
    async with start_serving() as serving, start_gateway(serving) as gateway:
        for selector, reason in [
            ({"version": 7}, "MODEL_VERSION_NOT_FOUND"),
            ({"version": 0}, "MODEL_VERSION_NOT_FOUND"),
            ({"version": -1}, "MODEL_VERSION_NOT_FOUND"),
            ({"version_label": "shadow"}, "VERSION_LABEL_NOT_FOUND"),
            ({"version_label": ""}, "VERSION_LABEL_NOT_FOUND"),
        ]:
            failure = await _failure(gateway.classifier.Predict(_request(png(204), **selector)), told)
            assert (failure.code, failure.reason) == (grpc.StatusCode.NOT_FOUND, reason)
            assert failure.retry_after_s is None


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        (b"", "IMAGE_EMPTY"),
        (bytes(3000), "IMAGE_TOO_LARGE"),
        (b"no image at all", "UNSUPPORTED_FORMAT"),
    ],
    ids=["empty", "too large", "no image"],
)
async def test_a_bad_image_is_the_callers_error(start_serving, start_gateway, told, image, reason):
    async with start_serving() as serving, start_gateway(serving, max_image_bytes=2000) as gateway:
        failure = await _failure(gateway.classifier.Predict(_request(image)), told)
        assert (failure.code, failure.reason) == (grpc.StatusCode.INVALID_ARGUMENT, reason)
        assert failure.field == "image"
        assert serving.batch_sizes == []


async def test_an_image_with_too_many_pixels_is_refused(start_serving, start_gateway, png, told):
    async with start_serving() as serving, start_gateway(serving, max_image_pixels=100) as gateway:
        failure = await _failure(gateway.classifier.Predict(_request(png(204, size=11))), told)
        assert failure.code is grpc.StatusCode.INVALID_ARGUMENT
        assert failure.field == "image"


async def test_concurrent_callers_share_calls_to_serving(start_serving, start_gateway, png):
    async with start_serving() as serving, start_gateway(serving) as gateway:
        answers = await asyncio.gather(*(gateway.classifier.Predict(_request(png(value))) for value in range(96)))
        expected = [value / 255 for value in range(96)]
        assert [answer.prediction.probability for answer in answers] == pytest.approx(expected, abs=1e-3)
        assert 1 < max(serving.batch_sizes) <= 32
        assert sum(serving.batch_sizes) == 96
        assert serving.most_in_flight <= 2


async def test_thirty_two_callers_fill_batches_behind_a_slow_call(start_serving, start_gateway, png, until):
    async with start_serving() as serving, start_gateway(serving, max_calls_in_flight=1) as gateway:
        serving.open.clear()
        first = asyncio.ensure_future(gateway.classifier.Predict(_request(png(1))))
        await until(lambda: serving.in_flight == 1)
        others = [asyncio.ensure_future(gateway.classifier.Predict(_request(png(value)))) for value in range(40)]
        await until(lambda: gateway.waiting == 40)
        serving.open.set()
        await asyncio.gather(first, *others)
        assert serving.batch_sizes == [1, 32, 8]


async def test_one_bad_image_never_fails_its_neighbours(start_serving, start_gateway, png, told, until):
    async with start_serving(spoilt_by=13) as serving, start_gateway(serving, max_calls_in_flight=1) as gateway:
        serving.open.clear()
        first = asyncio.ensure_future(gateway.classifier.Predict(_request(png(1))))
        await until(lambda: serving.in_flight == 1)
        others = [asyncio.ensure_future(gateway.classifier.Predict(_request(png(value)))) for value in range(10, 20)]
        await until(lambda: gateway.waiting == 10)
        serving.open.set()
        outcomes = await asyncio.gather(first, *others, return_exceptions=True)
        failed = [outcome for outcome in outcomes if isinstance(outcome, Exception)]
        assert len(failed) == 1
        assert failed[0] is outcomes[4]
        assert (told(failed[0]).code, told(failed[0]).reason) == (grpc.StatusCode.INTERNAL, "MODEL_FAILED")


async def test_more_calls_than_the_queue_holds_are_refused(start_serving, start_gateway, png, told, until):
    async with start_serving() as serving, start_gateway(serving, max_queued_images=4) as gateway:
        serving.open.clear()
        calls = [asyncio.ensure_future(gateway.classifier.Predict(_request(png(value)))) for value in range(4)]
        await until(lambda: gateway.in_work == 4)
        failure = await _failure(gateway.classifier.Predict(_request(png(5))), told)
        assert (failure.code, failure.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "QUEUE_FULL")
        assert failure.retry_after_s == 0.5
        serving.open.set()
        await asyncio.gather(*calls)
        await gateway.classifier.Predict(_request(png(5)))


async def test_a_caller_that_cancels_leaves_the_queue(start_serving, start_gateway, png, until):
    async with start_serving() as serving, start_gateway(serving, max_calls_in_flight=1) as gateway:
        serving.open.clear()
        calls = [gateway.classifier.Predict(_request(png(value))) for value in range(3)]
        await until(lambda: serving.in_flight == 1 and gateway.waiting == 2)
        for call in calls:
            call.cancel()
        await until(lambda: gateway.in_work == 0)
        await until(lambda: serving.cancelled == 1)
        serving.open.set()
        await gateway.classifier.Predict(_request(png(9)))
        assert serving.batch_sizes == [1, 1]


async def test_a_callers_deadline_bounds_its_call(start_serving, start_gateway, png, until):
    async with start_serving() as serving, start_gateway(serving) as gateway:
        serving.open.clear()
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await gateway.classifier.Predict(_request(png(1)), timeout=0.3)
        assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        assert serving.timeouts_s[0] <= 0.3
        await until(lambda: gateway.in_work == 0)


async def test_a_caller_without_deadline_gets_the_default_one(start_serving, start_gateway, png, told):
    async with start_serving() as serving, start_gateway(serving, default_deadline_s=0.3) as gateway:
        serving.open.clear()
        failure = await _failure(gateway.classifier.Predict(_request(png(1))), told)
        assert (failure.code, failure.reason) == (grpc.StatusCode.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED")
        assert serving.timeouts_s[0] <= 0.3


async def test_calls_wait_for_a_serving_that_comes_back(start_serving, start_gateway, png):
    async with start_serving() as serving, start_gateway(serving) as gateway:
        await serving.stop()
        calls = [asyncio.ensure_future(gateway.classifier.Predict(_request(png(value)))) for value in range(8)]
        done, _ = await asyncio.wait(calls, timeout=0.3)
        assert not done
        begun = asyncio.get_running_loop().time()
        await serving.start()
        await asyncio.gather(*calls)
        assert asyncio.get_running_loop().time() - begun < 3


async def test_calls_survive_a_serving_that_dies_under_them(start_serving, start_gateway, png, until):
    async with start_serving() as serving, start_gateway(serving) as gateway:
        serving.open.clear()
        call = asyncio.ensure_future(gateway.classifier.Predict(_request(png(204))))
        await until(lambda: serving.in_flight == 1)
        await serving.stop()
        serving.open.set()
        await serving.start()
        assert (await call).prediction.label == "Tumor"


async def test_a_serving_that_stays_away_is_unavailable_before_the_deadline(start_serving, start_gateway, png, told):
    async with start_serving() as serving, start_gateway(serving) as gateway:
        await serving.stop()
        failure = await _failure(gateway.classifier.Predict(_request(png(1)), timeout=1.5), told)
        assert (failure.code, failure.reason) == (grpc.StatusCode.UNAVAILABLE, "SERVING_UNAVAILABLE")
        assert failure.retry_after_s == 1.0
        await serving.start()


async def test_a_serving_that_was_never_there_is_unavailable(start_serving, start_gateway, png, told):
    async with start_serving() as serving:
        pass
    async with start_gateway(serving, ready=False) as gateway:
        failure = await _failure(gateway.classifier.Predict(_request(png(1)), timeout=0.5), told)
        assert (failure.code, failure.reason) == (grpc.StatusCode.UNAVAILABLE, "SERVING_UNAVAILABLE")


async def test_a_serving_without_versions_is_unavailable(start_serving, start_gateway, png, told, until):
    async with start_serving() as serving, start_gateway(serving) as gateway:
        serving.versions.clear()
        await until(lambda: _not(gateway.is_serving()))
        failure = await _failure(gateway.classifier.Predict(_request(png(1))), told)
        assert (failure.code, failure.reason) == (grpc.StatusCode.UNAVAILABLE, "NO_MODEL_AVAILABLE")
        assert failure.retry_after_s == 1.0


async def test_a_moment_of_business_goes_unnoticed(start_serving, start_gateway, refusal, png):
    busy = refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, "Server Threadpool Exhausted")
    async with start_serving(refusals=[busy] * 3) as serving, start_gateway(serving) as gateway:
        assert (await gateway.classifier.Predict(_request(png(204)))).prediction.label == "Tumor"
        assert len(serving.batch_sizes) == 4


async def test_a_serving_that_stays_busy_exhausts(start_serving, start_gateway, refusal, png, told):
    busy = refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, "Server Threadpool Exhausted")
    async with start_serving(refusals=[busy] * 1000) as serving, start_gateway(serving) as gateway:
        failure = await _failure(gateway.classifier.Predict(_request(png(204))), told)
        assert (failure.code, failure.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "SERVING_BUSY")
        assert failure.retry_after_s == 0.5
        assert "Threadpool" not in failure.message


async def test_a_swap_to_another_input_size_fails_no_call(start_serving, start_gateway, fake_version, png, until):
    async with start_serving() as serving, start_gateway(serving) as gateway:
        seen = {0}

        async def caller():
            while 6 not in seen:
                answer = await gateway.classifier.Predict(_request(png(204, size=48)), timeout=10)
                assert answer.prediction.probability == pytest.approx(0.8, abs=1e-2)
                seen.add(answer.model_version)

        async def swap():
            for number in range(2, 7):
                await until(lambda number=number: number - 1 in seen)
                serving.versions[number] = fake_version(8 * number, 6 * number, 1 if number % 2 else 3)
                del serving.versions[number - 1]

        await asyncio.gather(swap(), *(caller() for _ in range(8)))
        assert seen == set(range(7))


async def test_a_version_asked_for_by_number_that_leaves_is_not_found(
    start_serving, start_gateway, fake_version, png, told
):
    versions = {1: fake_version(), 2: fake_version()}
    async with start_serving(versions=versions) as serving, start_gateway(serving) as gateway:
        assert (await gateway.classifier.Predict(_request(png(1), version=1))).model_version == 1
        del serving.versions[1]
        failure = await _failure(gateway.classifier.Predict(_request(png(1), version=1)), told)
        assert (failure.code, failure.reason) == (grpc.StatusCode.NOT_FOUND, "MODEL_VERSION_NOT_FOUND")


async def test_a_version_that_keeps_leaving_is_unavailable(start_serving, start_gateway, refusal, png, told):
    gone = refusal(grpc.StatusCode.NOT_FOUND, "Servable not found for request: Specific(brain_tumor, 1)")
    async with start_serving(refusals=[gone] * 2) as serving, start_gateway(serving) as gateway:
        failure = await _failure(gateway.classifier.Predict(_request(png(1))), told)
        assert (failure.code, failure.reason) == (grpc.StatusCode.UNAVAILABLE, "MODEL_VERSION_GONE")
        assert serving.batch_sizes == [1, 1]


async def test_the_service_tells_about_itself(start_serving, start_gateway, fake_version):
    versions = {1: fake_version(), 2: fake_version(240, 200, 3)}
    labels = {"stable": 1, "canary": 2}
    async with start_serving(versions=versions, labels=labels) as serving, start_gateway(serving) as gateway:
        info = await gateway.classifier.GetServiceInfo(pb2.GetServiceInfoRequest())
        assert "not a medical device" in info.message.lower()
        assert info.documentation
        assert info.service_version == tomllib.loads((_ROOT / "pyproject.toml").read_text())["project"]["version"]
        assert info.model_name == "brain_tumor"
        assert (info.limits.max_image_bytes, info.limits.max_image_pixels) == (16 * 2**20, 40_000_000)
        assert {"JPEG", "PNG", "TIFF"} < set(info.image_formats)
        assert list(info.served_versions) == [
            pb2.ServedVersion(label="stable", version=1, input_height=8, input_width=8, input_channels=1),
            pb2.ServedVersion(label="canary", version=2, input_height=240, input_width=200, input_channels=3),
        ]


async def test_it_tells_so_while_serving_is_away(start_serving, start_gateway):
    async with start_serving() as serving:
        pass
    async with start_gateway(serving, ready=False) as gateway:
        info = await gateway.classifier.GetServiceInfo(pb2.GetServiceInfoRequest())
        assert info.model_name == "brain_tumor"
        assert not info.served_versions


async def _not(condition):
    return not await condition


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


def _stream(images):
    for index, image in enumerate(images):
        yield pb2.PredictStreamRequest(id=f"image-{index}", request=_request(image))


async def test_a_stream_answers_every_image_by_id(start_serving, start_gateway, png):
    async with start_serving() as serving, start_gateway(serving) as gateway:
        call = gateway.classifier.PredictStream(_stream([png(value) for value in range(256)] * 2))
        answers = {answer.id: answer.response async for answer in call}
        assert len(answers) == 512
        for index in range(512):
            probability = answers[f"image-{index}"].prediction.probability
            assert probability == pytest.approx(index % 256 / 255, abs=1e-3)
        assert 1 < max(serving.batch_sizes) <= 32


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
        single = asyncio.ensure_future(gateway.classifier.Predict(_request(png(204))))
        serving.open.set()
        assert (await single).prediction.label == "Tumor"
        await reading
        call.cancel()
