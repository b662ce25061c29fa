"""The way of an image under load, trouble and change: a real gateway on a fake serving."""

import asyncio
import threading

import grpc
import pytest

from gateway import classify


async def test_concurrent_callers_share_calls_to_serving(start_serving, start_gateway, png):
    async with start_serving() as serving, start_gateway(serving) as gateway:
        answers = await asyncio.gather(*(gateway.predict(png(value)) for value in range(96)))
        expected = [value / 255 for value in range(96)]
        assert [answer.prediction.probability for answer in answers] == pytest.approx(expected, abs=1e-3)
        assert 1 < max(serving.batch_sizes) <= 32
        assert sum(serving.batch_sizes) == 96
        assert serving.most_in_flight <= 2


async def test_thirty_two_callers_fill_batches_behind_a_slow_call(start_serving, start_gateway, png, until):
    async with start_serving() as serving, start_gateway(serving, max_calls_in_flight=1) as gateway:
        serving.open.clear()
        first = asyncio.ensure_future(gateway.predict(png(1)))
        await until(lambda: serving.in_flight == 1)
        others = [asyncio.ensure_future(gateway.predict(png(value))) for value in range(40)]
        await until(lambda: gateway.waiting == 40)
        serving.open.set()
        await asyncio.gather(first, *others)
        assert serving.batch_sizes == [1, 32, 8]


async def test_one_bad_image_never_fails_its_neighbours(start_serving, start_gateway, png, told, until):
    async with start_serving(spoilt_by=13) as serving, start_gateway(serving, max_calls_in_flight=1) as gateway:
        serving.open.clear()
        first = asyncio.ensure_future(gateway.predict(png(1)))
        await until(lambda: serving.in_flight == 1)
        others = [asyncio.ensure_future(gateway.predict(png(value))) for value in range(10, 20)]
        await until(lambda: gateway.waiting == 10)
        serving.open.set()
        outcomes = await asyncio.gather(first, *others, return_exceptions=True)
        failed = [outcome for outcome in outcomes if isinstance(outcome, Exception)]
        assert len(failed) == 1
        assert failed[0] is outcomes[4]
        assert (told(failed[0]).code, told(failed[0]).reason) == (grpc.StatusCode.INTERNAL, "MODEL_FAILED")


async def test_more_calls_than_the_queue_holds_are_refused(start_serving, start_gateway, png, until, failure_of):
    async with start_serving() as serving, start_gateway(serving, max_queued_images=4) as gateway:
        serving.open.clear()
        calls = [asyncio.ensure_future(gateway.predict(png(value))) for value in range(4)]
        await until(lambda: gateway.in_work == 4)
        failure = await failure_of(gateway.predict(png(5)))
        assert (failure.code, failure.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "QUEUE_FULL")
        assert failure.retry_after_s == 0.5
        serving.open.set()
        await asyncio.gather(*calls)
        await gateway.predict(png(5))


async def test_a_caller_that_cancels_leaves_the_queue(start_serving, start_gateway, png, until):
    async with start_serving() as serving, start_gateway(serving, max_calls_in_flight=1) as gateway:
        serving.open.clear()
        running = gateway.predict(png(1))
        await until(lambda: serving.in_flight == 1)
        waiting = [gateway.predict(png(value)) for value in range(2)]
        await until(lambda: gateway.waiting == 2)
        for call in waiting:
            call.cancel()
        await until(lambda: gateway.waiting == 0)
        running.cancel()
        await until(lambda: gateway.in_work == 0)
        await until(lambda: serving.cancelled == 1)
        serving.open.set()
        await gateway.predict(png(9))
        assert serving.batch_sizes == [1, 1]


async def test_a_callers_deadline_bounds_its_call(start_serving, start_gateway, png, until):
    async with start_serving() as serving, start_gateway(serving) as gateway:
        serving.open.clear()
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await gateway.predict(png(1), timeout=0.5)
        assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        assert serving.timeouts_s[0] < 0.6  # gRPC rounds it up on its way.
        await until(lambda: gateway.in_work == 0)


async def test_a_caller_without_deadline_gets_the_default_one(start_serving, start_gateway, png, failure_of):
    async with start_serving() as serving, start_gateway(serving, default_deadline_s=0.5) as gateway:
        serving.open.clear()
        failure = await failure_of(gateway.predict(png(1)))
        assert (failure.code, failure.reason) == (grpc.StatusCode.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED")
        assert serving.timeouts_s[0] < 0.6  # gRPC rounds it up on its way.


async def test_a_picture_that_is_not_read_in_time_keeps_no_caller(
    start_serving, start_gateway, png, failure_of, monkeypatch
):
    release = threading.Event()
    monkeypatch.setattr(classify, "preprocess", lambda *_: release.wait(20))
    async with start_serving() as serving, start_gateway(serving, default_deadline_s=0.5) as gateway:
        try:
            failure = await asyncio.wait_for(failure_of(gateway.predict(png(1))), 10)
        finally:
            release.set()
        assert (failure.code, failure.reason) == (grpc.StatusCode.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED")


async def test_calls_wait_for_a_serving_that_comes_back(start_serving, start_gateway, png):
    async with start_serving() as serving, start_gateway(serving) as gateway:
        await serving.stop()
        calls = [asyncio.ensure_future(gateway.predict(png(value))) for value in range(8)]
        done, _ = await asyncio.wait(calls, timeout=0.3)
        assert not done
        begun = asyncio.get_running_loop().time()
        await serving.start()
        await asyncio.gather(*calls)
        assert asyncio.get_running_loop().time() - begun < 3


async def test_calls_survive_a_serving_that_dies_under_them(start_serving, start_gateway, png, until):
    async with start_serving() as serving, start_gateway(serving) as gateway:
        serving.open.clear()
        call = asyncio.ensure_future(gateway.predict(png(204)))
        await until(lambda: serving.in_flight == 1)
        await serving.stop()
        serving.open.set()
        await serving.start()
        assert (await call).prediction.label == "Tumor"


async def test_a_serving_that_stays_away_is_unavailable_before_the_deadline(
    start_serving, start_gateway, png, failure_of
):
    async with start_serving() as serving, start_gateway(serving) as gateway:
        await serving.stop()
        failure = await failure_of(gateway.predict(png(1), timeout=1.5))
        assert (failure.code, failure.reason) == (grpc.StatusCode.UNAVAILABLE, "SERVING_UNAVAILABLE")
        assert failure.retry_after_s == 1.0
        await serving.start()


async def test_a_serving_that_was_never_there_is_unavailable(start_serving, start_gateway, png, failure_of):
    async with start_serving() as serving:
        pass
    async with start_gateway(serving, ready=False) as gateway:
        failure = await failure_of(gateway.predict(png(1), timeout=0.5))
        assert (failure.code, failure.reason) == (grpc.StatusCode.UNAVAILABLE, "SERVING_UNAVAILABLE")


async def test_what_is_no_file_is_told_also_while_serving_is_away(start_serving, start_gateway, failure_of):
    async with start_serving() as serving:
        pass
    async with start_gateway(serving, ready=False, max_image_bytes=1000) as gateway:
        reasons = [(await failure_of(gateway.predict(image, timeout=5))).reason for image in (b"", bytes(1001))]
        assert reasons == ["IMAGE_EMPTY", "IMAGE_TOO_LARGE"]


async def test_a_serving_without_versions_is_unavailable(start_serving, start_gateway, png, until, failure_of):
    async with start_serving() as serving, start_gateway(serving) as gateway:
        serving.versions.clear()
        await until(lambda: _not(gateway.is_serving()))
        failure = await failure_of(gateway.predict(png(1)))
        assert (failure.code, failure.reason) == (grpc.StatusCode.UNAVAILABLE, "NO_MODEL_AVAILABLE")
        assert failure.retry_after_s == 1.0


async def test_a_moment_of_business_goes_unnoticed(start_serving, start_gateway, refusal, png):
    busy = refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, "Server Threadpool Exhausted")
    async with start_serving(refusals=[busy] * 3) as serving, start_gateway(serving) as gateway:
        assert (await gateway.predict(png(204))).prediction.label == "Tumor"
        assert len(serving.batch_sizes) == 4


async def test_a_serving_that_stays_busy_exhausts(start_serving, start_gateway, refusal, png, failure_of):
    busy = refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, "Server Threadpool Exhausted")
    async with start_serving(refusals=[busy] * 1000) as serving, start_gateway(serving) as gateway:
        failure = await failure_of(gateway.predict(png(204)))
        assert (failure.code, failure.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "SERVING_BUSY")
        assert failure.retry_after_s == 0.5
        assert "Threadpool" not in failure.message


async def test_a_swap_to_another_input_size_fails_no_call(start_serving, start_gateway, fake_version, png, until):
    async with start_serving() as serving, start_gateway(serving) as gateway:
        seen = {0}

        async def caller():
            while 6 not in seen:
                answer = await gateway.predict(png(204, size=48), timeout=10)
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
    start_serving, start_gateway, fake_version, png, failure_of
):
    versions = {1: fake_version(), 2: fake_version()}
    async with start_serving(versions=versions) as serving, start_gateway(serving) as gateway:
        assert (await gateway.predict(png(1), version=1)).model_version == 1
        del serving.versions[1]
        failure = await failure_of(gateway.predict(png(1), version=1))
        assert (failure.code, failure.reason) == (grpc.StatusCode.NOT_FOUND, "MODEL_VERSION_NOT_FOUND")


async def test_a_version_that_keeps_leaving_is_unavailable(start_serving, start_gateway, refusal, png, failure_of):
    gone = refusal(grpc.StatusCode.NOT_FOUND, "Servable not found for request: Specific(brain_tumor, 1)")
    async with start_serving(refusals=[gone] * 2) as serving, start_gateway(serving) as gateway:
        failure = await failure_of(gateway.predict(png(1)))
        assert (failure.code, failure.reason) == (grpc.StatusCode.UNAVAILABLE, "MODEL_VERSION_GONE")
        assert serving.batch_sizes == [1, 1]


async def _not(condition):
    return not await condition
