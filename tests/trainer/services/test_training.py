"""TrainerService: jobs are refused at once or queued, and can be watched."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from braintumor import AsyncClient, ServiceError
from braintumor.v1 import trainer_service_pb2 as pb2
from google.longrunning import operations_pb2

Serve = Callable[[], Any]


def _metadata(operation: Any) -> pb2.RetrainMetadata:
    metadata = pb2.RetrainMetadata()
    assert operation.metadata.Unpack(metadata)
    return metadata


async def test_an_empty_request_is_a_job_with_the_defaults(serve: Serve) -> None:
    async with serve() as served:
        operation = await served.trainer.Retrain(pb2.RetrainRequest())

        assert operation.name.startswith("operations/")
        assert not operation.done
        metadata = _metadata(operation)
        assert (metadata.state, metadata.epochs) == (pb2.RETRAIN_STATE_QUEUED, 60)
        assert metadata.HasField("create_time")
        assert not metadata.HasField("end_time")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("image_dir", "../raw"),
        ("image_dir", "raw\0"),
        ("target_dir", "/etc"),
        ("target_file", "a/b.csv"),
        ("data_dir", "models"),
        ("npz_filename", "data.txt"),
        ("epochs", -1),
        ("epochs", 1001),
        ("architecture", "transformer"),
        ("architecture", "x" * 9000),
        ("image_dir", "/".join(["🙂" * 60] * 16)),
        ("seed", -1),
        ("request_id", "x" * 129),
    ],
)
async def test_a_wrong_field_is_an_error_at_once(serve: Serve, refusal: Any, field: str, value: Any) -> None:
    async with serve() as served:
        told = await refusal(served.trainer.Retrain(pb2.RetrainRequest(**{field: value})))

        assert (told.code, told.field) == ("INVALID_ARGUMENT", field)
        assert str(served.settings.data_root) not in told.message
        assert (await served.store.next_unfinished()) is None


async def _no_requests() -> AsyncIterator[bytes]:
    await asyncio.Event().wait()
    yield b""


@pytest.mark.parametrize("kind", ["unary_unary", "unary_stream", "stream_unary", "stream_stream"])
async def test_an_unknown_method_is_unimplemented(serve: Serve, refusal: Any, kind: str) -> None:
    async with serve() as served:
        method = getattr(served.channel, kind)("/braintumor.v1.TrainerService/Nothing")
        call = method(_no_requests() if kind.startswith("stream") else b"", timeout=10)
        told = await refusal(call if kind.endswith("unary") else call.read())

        assert (told.code, told.reason) == ("UNIMPLEMENTED", "METHOD_UNKNOWN")


async def test_the_same_request_id_is_the_same_job(serve: Serve, refusal: Any) -> None:
    async with serve() as served:
        request = pb2.RetrainRequest(request_id="mine", epochs=2)
        first = await served.trainer.Retrain(request)
        (served.settings.data_root / "raw/images").rmdir()

        assert (await served.trainer.Retrain(request)).name == first.name
        told = await refusal(served.trainer.Retrain(pb2.RetrainRequest(request_id="mine", epochs=3)))
        assert (told.code, told.reason, told.field) == ("ALREADY_EXISTS", "REQUEST_ID_REUSED", "request_id")


async def test_a_full_queue_says_when_to_try_again(serve: Serve, refusal: Any) -> None:
    async with serve() as served:
        for _ in range(3):
            await served.trainer.Retrain(pb2.RetrainRequest())
        told = await refusal(served.trainer.Retrain(pb2.RetrainRequest()))

        assert (told.code, told.reason, told.has_retry) == ("RESOURCE_EXHAUSTED", "QUEUE_FULL", True)


async def test_watchers_see_the_job_from_now_to_its_end(serve: Serve) -> None:
    async with serve() as served:
        name = (await served.trainer.Retrain(pb2.RetrainRequest())).name
        watches = [served.trainer.WatchRetrain(pb2.WatchRetrainRequest(operation=name)) for _ in range(3)]
        streams = [aiter(watch) for watch in watches]
        firsts = [await anext(stream) for stream in streams]
        assert not any(first.operation.done for first in firsts)
        watches.pop().cancel()
        served.work.let_go.set()
        for stream in streams[:-1]:
            seen = [response.operation async for response in stream]
            assert [operation.done for operation in seen] == [False] * (len(seen) - 1) + [True]
            response = pb2.RetrainResponse()
            assert seen[-1].response.Unpack(response)
            assert (response.status, response.model_version) == ("Model retraining complete", 0)
            assert (response.blessed, list(response.reasons)) == (False, ["not good enough"])
            assert dict(response.excluded) == {"no label": 2}
            assert (response.metrics.val_loss, response.evaluation.true_positives) == (0.25, 2)
            assert (_metadata(seen[-1]).epoch, _metadata(seen[-1]).progress) == (1, 1.0)


async def test_a_watcher_of_what_has_ended_sees_just_that(serve: Serve) -> None:
    async with serve() as served:
        served.work.let_go.set()
        name = (await served.trainer.Retrain(pb2.RetrainRequest(epochs=3))).name
        for _ in range(2):
            watch = served.trainer.WatchRetrain(pb2.WatchRetrainRequest(operation=name))
            *_, last = [response.operation async for response in watch]
            assert last.error.message == "image directory images cannot be read"
        assert _metadata(last).state == pb2.RETRAIN_STATE_FAILED


async def test_leaving_does_not_stop_the_job(serve: Serve) -> None:
    async with serve() as served:
        name = (await served.trainer.Retrain(pb2.RetrainRequest())).name
        watch = served.trainer.WatchRetrain(pb2.WatchRetrainRequest(operation=name))
        await anext(aiter(watch))
        watch.cancel()
        served.work.let_go.set()

        assert (await served.store.ended(name.removeprefix("operations/"))).state == "succeeded"


async def test_an_end_that_cannot_be_written_is_told_to_who_waits_for_it(serve: Serve, refusal: Any) -> None:
    """A client that watches gives up in its time; it took a job that said nothing new for one that was at work."""
    async with serve() as served, AsyncClient(served.address) as client:
        name = (await served.trainer.Retrain(pb2.RetrainRequest())).name
        database, away = served.settings.database, served.settings.data_root / "away.db"
        watch = client.watch(name, timeout_s=1)

        async def rest() -> list[Any]:
            return [job async for job in watch]

        while (await anext(watch)).metadata.state != pb2.RETRAIN_STATE_RUNNING:
            pass
        database.rename(away)
        served.work.let_go.set()
        with pytest.raises(ServiceError, match=r"the job has ended, and its end cannot be written yet: .* put it back"):
            await asyncio.wait_for(rest(), 30)
        told = await refusal(served.operations.CancelOperation(operations_pb2.CancelOperationRequest(name=name)))
        assert (told.code, told.reason, told.has_retry) == ("UNAVAILABLE", "STORE_UNAVAILABLE", True)
        away.rename(database)
        watch = client.watch(name)
        assert (await rest())[-1].response.status == "Model retraining complete"


@pytest.mark.parametrize(
    ("name", "code"), [("", "INVALID_ARGUMENT"), ("operations/none", "NOT_FOUND"), ("jobs/1", "NOT_FOUND")]
)
async def test_watching_what_is_not_there_is_an_error(serve: Serve, refusal: Any, name: str, code: str) -> None:
    async with serve() as served:
        watch = served.trainer.WatchRetrain(pb2.WatchRetrainRequest(operation=name))

        assert (await refusal(anext(aiter(watch)))).code == code


async def test_a_watch_ends_when_the_trainer_stops(serve: Serve, refusal: Any) -> None:
    async with serve() as served:
        name = (await served.trainer.Retrain(pb2.RetrainRequest())).name
        watch = served.trainer.WatchRetrain(pb2.WatchRetrainRequest(operation=name))
        stream = aiter(watch)
        await anext(stream)
        served.store.stop_following()

        async def rest() -> None:
            async for _ in stream:
                pass

        told = await refusal(rest())
        assert (told.code, told.reason, told.has_retry) == ("UNAVAILABLE", "TRAINER_STOPPING", True)


async def test_only_what_is_there_is_evaluated(serve: Serve, refusal: Any) -> None:
    async with serve() as served:
        for version in (0, 7):
            told = await refusal(served.trainer.Evaluate(pb2.EvaluateRequest(version=version)))
            assert (told.code, told.reason) == ("NOT_FOUND", "MODEL_VERSION_NOT_FOUND")
        (served.settings.model_dir / "7").mkdir(parents=True)
        told = await refusal(served.trainer.Evaluate(pb2.EvaluateRequest(version=7)))
        assert (told.code, told.reason) == ("FAILED_PRECONDITION", "NPZ_INVALID")


async def test_what_goes_wrong_inside_stays_inside(serve: Serve, refusal: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async with serve() as served:

        async def broken(*_: Any) -> None:
            await asyncio.sleep(0)
            raise KeyError("/secret/path")

        monkeypatch.setattr(served.store, "add", broken)
        call = served.trainer.Retrain(pb2.RetrainRequest(), metadata=(("x-request-id", "call-7"),))
        told = await refusal(call)

        assert (told.code, told.reason) == ("INTERNAL", "INTERNAL")
        assert "secret" not in told.message
        assert "call-7" in told.message
