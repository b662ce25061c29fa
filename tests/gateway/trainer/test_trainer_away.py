"""A trainer that is away, and comes back."""

import asyncio

import grpc
import pytest
from braintumor.v1 import classifier_service_pb2, trainer_service_pb2
from grpc_health.v1 import health_pb2

from transport.tls_settings import PeerTls

_RETRAIN = trainer_service_pb2.RetrainRequest(request_id="mine")
_WATCH = trainer_service_pb2.WatchRetrainRequest(operation="operations/1")
_OF_TRAINER = ("braintumor.v1.TrainerService", "braintumor.v1.ModelService", "google.longrunning.Operations")
_OF_SERVING = ("braintumor.v1.ClassifierService", "")


async def _serve(gateway, *services):
    answers = [await gateway.health.Check(health_pb2.HealthCheckRequest(service=service)) for service in services]
    return [answer.status == health_pb2.HealthCheckResponse.SERVING for answer in answers]


async def test_calls_fail_soon_and_say_when_to_come_again(
    start_serving, start_trainer, start_gateway, stubs, failure_of
):
    async with start_trainer() as trainer:
        pass
    async with start_serving() as serving, start_gateway(serving, trainer_address=trainer.address) as gateway:
        caller = stubs(gateway.channel).trainer
        begun = asyncio.get_running_loop().time()
        for call in (caller.Retrain(_RETRAIN, timeout=30), caller.WatchRetrain(_WATCH, timeout=30).read()):
            failure = await failure_of(call)
            assert (failure.code, failure.reason) == (grpc.StatusCode.UNAVAILABLE, "TRAINER_UNAVAILABLE")
            assert failure.retry_after_s == 1.0
        assert asyncio.get_running_loop().time() - begun < 2


@pytest.mark.parametrize(
    "call", [lambda caller: caller.Retrain(_RETRAIN), lambda caller: _drained(caller.WatchRetrain(_WATCH))]
)
async def test_that_it_cannot_be_reached_is_logged_once_until_it_is_back(
    call, start_serving, start_trainer, start_gateway, stubs, failure_of, until, caplog
):
    def told():
        return sum(record.message == "trainer cannot be reached" for record in caplog.records)

    async with (
        start_serving() as serving,
        start_trainer(reports=1) as trainer,
        start_gateway(serving, trainer_address=trainer.address) as gateway,
    ):
        caller = stubs(gateway.channel).trainer
        for times in (1, 2):
            await until(lambda: _all_serve(gateway))
            await call(caller)
            await trainer.stop()
            for _ in range(3):
                assert (await failure_of(call(caller))).reason == "TRAINER_UNAVAILABLE"
            assert told() == times
            await until(lambda: _none_of_trainer_serves(gateway))
            await trainer.start()


async def test_a_trainer_that_leaves_ends_its_calls_and_no_other(
    start_serving, start_trainer, start_gateway, stubs, failure_of, png, until
):
    async with (
        start_serving() as serving,
        start_trainer() as trainer,
        start_gateway(serving, trainer_address=trainer.address) as gateway,
    ):
        caller = stubs(gateway.channel).trainer
        await until(lambda: _all_serve(gateway))
        trainer.open.clear()
        calls = [caller.Retrain(_RETRAIN), _drained(caller.WatchRetrain(_WATCH))]
        failures = asyncio.gather(*(failure_of(call) for call in calls))
        await until(lambda: trainer.in_flight == 2)
        await trainer.stop()
        assert {failure.reason for failure in await failures} == {"TRAINER_UNAVAILABLE"}
        await until(lambda: _none_of_trainer_serves(gateway), 5)
        assert await _serve(gateway, *_OF_SERVING) == [True, True]
        request = classifier_service_pb2.PredictRequest(image=png(204))
        assert (await gateway.classifier.Predict(request)).prediction.label == "Tumor"
        trainer.open.set()
        await trainer.start()
        await until(lambda: _all_serve(gateway), 5)
        assert (await caller.Retrain(_RETRAIN)).name == "operations/mine"


async def test_a_trainer_that_says_it_is_not_well_is_not_serving(start_serving, start_trainer, start_gateway, until):
    async with (
        start_serving() as serving,
        start_trainer() as trainer,
        start_gateway(serving, trainer_address=trainer.address) as gateway,
    ):
        await until(lambda: _all_serve(gateway))
        trainer.serving = False
        await until(lambda: _none_of_trainer_serves(gateway), 5)


async def test_a_trainer_is_well_while_serving_is_away(start_serving, start_trainer, start_gateway, until):
    async with start_serving() as serving:
        pass
    async with (
        start_trainer() as trainer,
        start_gateway(serving, ready=False, trainer_address=trainer.address) as gateway,
    ):

        async def trainer_serves():
            return all(await _serve(gateway, *_OF_TRAINER))

        await until(trainer_serves, 5)
        assert await _serve(gateway, *_OF_SERVING) == [False, False]


async def test_one_that_comes_back_with_another_authority_is_known_by_the_renewed_file(
    authority, server_credentials, start_serving, start_trainer, start_gateway, stubs, tmp_path, until
):
    """Calls that the old one still has in work go on."""
    ours = authority(tmp_path, "ours")
    async with (
        start_serving() as serving,
        start_trainer(credentials=server_credentials(ours.issue("trainer")), reports=1) as trainer,
        start_gateway(serving, trainer_address=trainer.address, trainer_tls=PeerTls(ca=ours.certificate)) as gateway,
    ):
        caller = stubs(gateway.channel).trainer
        await until(lambda: _all_serve(gateway))
        trainer.credentials = server_credentials(authority(tmp_path, "ours").issue("trainer"))
        trainer.open.clear()
        watch = caller.WatchRetrain(_WATCH)
        await watch.read()
        drained = asyncio.create_task(trainer.stop(60))
        await until(lambda: _none_of_trainer_serves(gateway), 20)
        await trainer.start()
        await until(lambda: _all_serve(gateway), 20)
        assert not drained.done()
        trainer.open.set()
        assert await watch.read() is grpc.aio.EOF
        assert (await caller.Retrain(_RETRAIN)).name == "operations/mine"
        await drained


async def _all_serve(gateway):
    return all(await _serve(gateway, *_OF_TRAINER, *_OF_SERVING))


async def _none_of_trainer_serves(gateway):
    return not any(await _serve(gateway, *_OF_TRAINER))


async def _drained(call):
    async for _ in call:
        pass
