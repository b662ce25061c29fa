"""A canary in the traffic: a real gateway between a fake serving and a fake trainer."""

from contextlib import asynccontextmanager

import pytest
from braintumor.v1 import classifier_service_pb2 as pb2
from grpc_health.v1 import health_pb2

from gateway.telemetry.metrics import inferences


@pytest.fixture
def with_canary(start_serving, start_gateway, start_trainer, fake_version, until):
    """Starts a gateway whose canary is version 2 beside version 1, and waits until it knows the share."""

    @asynccontextmanager
    async def _start(percent, **version):
        versions = {1: fake_version(), 2: fake_version(**version)}
        async with (
            start_serving(versions=versions, labels={"stable": 1, "canary": 2}) as serving,
            start_trainer(percents={2: percent}) as trainer,
            start_gateway(serving, trainer_address=trainer.address) as gateway,
        ):
            canary = gateway.inside["Canary"]
            await until(lambda: canary._percent == percent)
            yield serving, trainer, gateway

    return _start


async def _answered_by(gateway, image, key=None, **fields):
    metadata = (("x-routing-key", key),) if key else ()
    response = await gateway.predict(image, **fields, metadata=metadata)
    return response.model_version


def _stream(image, count):
    for index in range(count):
        yield pb2.PredictStreamRequest(id=str(index), request=pb2.PredictRequest(image=image))


async def test_a_share_of_the_calls_goes_to_the_canary(with_canary, png):
    async with with_canary(30.0) as (_, _, gateway):
        image = png(204)
        answers = [await _answered_by(gateway, image) for _ in range(300)]
        # Five standard deviations of 300 draws: one run in a million is beyond.
        assert answers.count(2) == pytest.approx(90, abs=40)
        assert set(answers) == {1, 2}


async def test_calls_of_one_key_are_all_answered_by_the_same_version(with_canary, png):
    async with with_canary(50.0) as (_, _, gateway):
        image = png(204)
        sides = {f"patient {number}": await _answered_by(gateway, image, f"patient {number}") for number in range(20)}
        assert set(sides.values()) == {1, 2}
        for key, side in sides.items():
            assert {await _answered_by(gateway, image, key) for _ in range(5)} == {side}


async def test_a_stream_with_a_key_has_one_version_and_one_without_has_both(with_canary, png):
    async with with_canary(50.0) as (_, _, gateway):
        stream = gateway.classifier.PredictStream
        keyed = stream(_stream(png(204), 40), metadata=(("x-routing-key", "ward 7"),))
        assert len({answer.response.model_version async for answer in keyed}) == 1
        assert {answer.response.model_version async for answer in stream(_stream(png(204), 60))} == {1, 2}


async def test_calls_that_name_a_version_or_label_get_it(with_canary, png):
    async with with_canary(100.0) as (_, _, gateway):
        image = png(204)
        assert await _answered_by(gateway, image) == 2
        assert await _answered_by(gateway, image, version=1) == 1
        assert await _answered_by(gateway, image, version_label="stable") == 1
        assert await _answered_by(gateway, image, version_label="canary") == 2


async def test_a_canary_that_has_gone_is_noticed_by_no_caller(with_canary, png):
    async with with_canary(100.0) as (serving, _, gateway):
        image = png(204)
        assert await _answered_by(gateway, image) == 2
        del serving.versions[2]
        assert [await _answered_by(gateway, image) for _ in range(5)] == [1] * 5
        assert len(serving.batch_sizes) == 1 + 1 + 5  # The first call alone found out.


async def test_a_canary_that_fails_on_a_slice_is_noticed_by_no_caller(with_canary, png, caplog):
    async with with_canary(100.0, outputs=("label",)) as (_, _, gateway):
        assert await _answered_by(gateway, png(204)) == 1
        assert ("canary failed", 2) in {(entry.message, getattr(entry, "model_version", 0)) for entry in caplog.records}


async def test_a_canary_that_fails_on_a_slice_is_counted(with_canary, png):
    """No error tells of it: the stable version answers."""
    failures = inferences(2, "MODEL_FAILED")._value
    before = failures.get()
    async with with_canary(100.0, outputs=("label",)) as (_, _, gateway):
        await _answered_by(gateway, png(204))
        assert failures.get() == before + 1


async def test_a_canary_that_cannot_explain_leaves_that_to_the_stable_version(with_canary, png):
    async with with_canary(100.0, explains=False) as (_, _, gateway):
        assert await _answered_by(gateway, png(204), explain=True) == 1
        assert await _answered_by(gateway, png(204)) == 2


async def test_a_canary_of_another_input_size_answers(with_canary, png):
    async with with_canary(100.0, height=32, width=24, channels=3) as (_, _, gateway):
        assert await _answered_by(gateway, png(204, size=64)) == 2


async def test_the_share_stays_while_the_trainer_is_away_and_goes_with_the_label(with_canary, png, until):
    async with with_canary(100.0) as (serving, trainer, gateway):
        image = png(204)
        await trainer.stop()
        await until(lambda: _trainer_is_known_to_be_away(gateway))
        assert await _answered_by(gateway, image) == 2
        del serving.labels["canary"]
        await until(lambda: _answers(gateway, image, 1), 3)
        await trainer.start()


async def test_a_share_that_changes_is_followed(with_canary, png, until):
    async with with_canary(100.0) as (_, trainer, gateway):
        trainer.percents[2] = 0.0
        await until(lambda: _answers(gateway, png(204), 1), 3)


async def _trainer_is_known_to_be_away(gateway):
    answer = await gateway.health.Check(health_pb2.HealthCheckRequest(service="braintumor.v1.TrainerService"))
    return answer.status == health_pb2.HealthCheckResponse.NOT_SERVING


async def _answers(gateway, image, version):
    return await _answered_by(gateway, image) == version
