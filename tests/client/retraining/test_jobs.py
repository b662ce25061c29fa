"""Jobs and versions through both clients, held to one contract."""

import asyncio
import inspect
import threading
import time
from collections.abc import Callable
from typing import Any

import braintumor
import grpc
import pytest
from braintumor.v1 import model_service_pb2, trainer_service_pb2

RESPONSE = trainer_service_pb2.RetrainResponse(model_version=8, blessed=True)
Ask = Callable[..., Any]


def _sync(address: str, name: str, *arguments: Any, closed: bool = False, **options: Any) -> Any:
    with braintumor.Client(address) as client:
        if closed:
            client.close()
        answer = getattr(client, name)(*arguments, **options)
        return list(answer) if inspect.isgenerator(answer) else answer


def _async(address: str, name: str, *arguments: Any, closed: bool = False, **options: Any) -> Any:
    async def ask() -> Any:
        async with braintumor.AsyncClient(address) as client:
            if closed:
                await client.close()
            answer = getattr(client, name)(*arguments, **options)
            return [item async for item in answer] if inspect.isasyncgen(answer) else await answer

    return asyncio.run(ask())


@pytest.fixture(params=[_sync, _async], ids=["sync", "async"])
def ask(request, trainer) -> Ask:
    """Calls a method of a client by its name."""
    return lambda *arguments, **options: request.param(trainer.address, *arguments, **options)


def test_a_job_is_started_with_what_is_given(trainer, ask):
    job = ask("retrain", image_dir="raw/images", epochs=20, force=True, request_id="mine")
    assert (job.operation, job.done, job.response, job.error) == ("operations/mine", False, None, None)
    assert job.metadata.state == trainer_service_pb2.RETRAIN_STATE_QUEUED
    assert trainer.requests == [
        trainer_service_pb2.RetrainRequest(image_dir="raw/images", epochs=20, force=True, request_id="mine")
    ]


def test_a_lost_answer_does_not_start_a_second_job(trainer, ask):
    trainer.failures.extend([grpc.StatusCode.UNAVAILABLE] * 2)
    job = ask("retrain")
    assert trainer.calls == ["Retrain"] * 3
    assert job.operation == f"operations/{trainer.requests[0].request_id}"
    assert ask("retrain").operation != job.operation


@pytest.mark.parametrize(
    ("method", "arguments"),
    [("info", []), ("retrain", []), ("watch", ["operations/1"]), ("predict_stream", [[("a", b"tumor")]])],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_client_that_was_closed_says_so(trainer, ask, method, arguments):
    with pytest.raises(braintumor.ServiceError, match="the client was closed") as closed:
        ask(method, *arguments, closed=True)
    assert (closed.value.code, trainer.calls) == (grpc.StatusCode.CANCELLED, [])


def test_a_full_queue_is_not_asked_again(trainer, ask):
    trainer.failures.append(grpc.StatusCode.RESOURCE_EXHAUSTED)
    with pytest.raises(braintumor.ServiceError):
        ask("retrain")
    assert trainer.calls == ["Retrain"]


@pytest.mark.parametrize(
    ("method", "arguments"),
    [("rollback", []), ("promote", [7]), ("canary", [7, 10.0]), ("delete", ["operations/1"])],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_would_happen_twice_is_sent_once(trainer, ask, method, arguments):
    trainer.failures.append(grpc.StatusCode.UNAVAILABLE)
    with pytest.raises(braintumor.ServiceError):
        ask(method, *arguments)
    assert len(trainer.calls) == 1


def test_a_job_is_watched_to_its_end(trainer, ask):
    trainer.streams.append([trainer.job(epoch=1), trainer.job(epoch=2), trainer.job(response=RESPONSE, epoch=2)])
    jobs = ask("watch", "operations/1")
    assert [job.metadata.epoch for job in jobs] == [1, 2, 2]
    assert [job.done for job in jobs] == [False, False, True]
    assert jobs[-1].response == RESPONSE


@pytest.mark.parametrize("code", [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.INTERNAL, grpc.StatusCode.CANCELLED])
def test_a_watch_outlives_its_streams(trainer, ask, code):
    first, second = trainer.job(epoch=1), trainer.job(epoch=2)
    trainer.streams.extend([[first, code], [code], [first, second], [second, trainer.job(response=RESPONSE)]])
    jobs = ask("watch", "operations/1")
    assert [job.metadata.epoch for job in jobs] == [1, 2, 0]
    assert trainer.calls == ["WatchRetrain"] * 4


def test_a_watch_gives_up_where_the_service_stays_away(trainer, ask):
    trainer.streams.append([trainer.job(epoch=1)])
    trainer.streams.extend([[grpc.StatusCode.UNAVAILABLE]] * 50)
    with pytest.raises(braintumor.ServiceError) as away:
        ask("watch", "operations/1", timeout_s=0.5)
    assert away.value.code == grpc.StatusCode.UNAVAILABLE
    assert 2 <= len(trainer.calls) <= 6


def test_a_watch_gives_up_where_the_service_says_nothing(trainer, ask):
    trainer.streams.extend([[trainer.job(epoch=1), None], *[[None]] * 9])
    begun = time.monotonic()
    with pytest.raises(braintumor.ServiceError) as hung:
        ask("watch", "operations/1", timeout_s=0.6)
    assert hung.value.code == grpc.StatusCode.DEADLINE_EXCEEDED
    assert 0.6 <= time.monotonic() - begun <= 10  # a stream of a fixed length would be waited for first


def test_a_job_without_news_is_watched_for_longer_than_the_service_may_be_away(trainer, ask):
    silent, ended = trainer.job(epoch=1), trainer.job(response=RESPONSE)
    trainer.streams.extend([*[[silent, None]] * 3, [silent, ended]])
    assert [job.done for job in ask("watch", "operations/1", timeout_s=1.0)] == [False, True]
    assert trainer.calls == ["WatchRetrain"] * 4


def test_a_job_that_is_not_there_is_not_watched_for_long(trainer, ask):
    with pytest.raises(braintumor.ServiceError) as absent:
        ask("watch", "operations/9")
    assert (absent.value.reason, len(trainer.calls)) == ("OPERATION_NOT_FOUND", 1)


def test_a_failed_job_says_why(trainer, ask):
    trainer.job(error=(8, "DISK_FULL", "no space is left"))
    job = ask("job", "operations/1")
    assert job.done
    assert (job.error.code, job.error.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "DISK_FULL")


def test_jobs_are_listed_from_all_pages(trainer, ask):
    for number in range(5):
        trainer.job(f"operations/{number}", response=RESPONSE if number % 2 else None)
    names = [f"operations/{number}" for number in range(5)]
    assert [job.operation for job in ask("jobs")] == names
    assert [job.operation for job in ask("jobs", done=True)] == names[1::2]
    assert [job.operation for job in ask("jobs", done=False)] == names[::2]


def test_a_job_can_be_cancelled_and_forgotten(trainer, ask):
    trainer.job()
    ask("cancel", "operations/1")
    assert ask("job", "operations/1").error.code == grpc.StatusCode.CANCELLED
    ask("delete", "operations/1")
    assert not trainer.jobs


def test_versions_are_listed_from_all_pages_and_described(trainer, ask):
    trainer.versions = [model_service_pb2.ModelVersion(version=number) for number in (9, 8, 7)]
    assert [version.version for version in ask("versions")] == [9, 8, 7]
    assert ask("version", 8).version == 8
    assert ask("version").version == 9


def test_a_report_comes_whole_whatever_its_size(trainer, ask):
    """GRPC itself lets a client receive 4 MiB and no more."""
    trainer.versions = [model_service_pb2.ModelVersion(version=9)]
    trainer.padding = 5 * 2**20
    html = ask("report", 9)
    assert html.startswith(b"<!doctype html><title>version 9<")
    assert len(html) > trainer.padding
    assert ask("report").startswith(b"<!doctype html><title>version 0<")


def test_a_version_without_a_report_says_so(ask):
    with pytest.raises(braintumor.ServiceError) as absent:
        ask("report", 9)
    assert (absent.value.code, absent.value.reason) == (grpc.StatusCode.NOT_FOUND, "MODEL_REPORT_NOT_FOUND")


def test_labels_are_moved(trainer, ask):
    trainer.versions = [model_service_pb2.ModelVersion(version=number) for number in (9, 8)]
    assert ask("promote", 9).version == 9
    assert ask("rollback").version == 8
    tried = ask("canary", 9, 12.5)
    assert (tried.version, tried.canary_percent) == (9, 12.5)
    assert ask("canary", 0, 0) is None


def test_a_version_is_evaluated(ask):
    assert ask("evaluate", 3).model_version == 3
    assert ask("evaluate").evaluation.examples == 489


def test_leaving_a_watch_ends_its_stream(trainer):
    trainer.streams.append([trainer.job(), None])
    with braintumor.Client(trainer.address) as client:
        watching = client.watch("operations/1")
        next(watching)
        watching.close()
        assert trainer.left.wait(10)


def test_leaving_an_async_watch_ends_its_stream(trainer):
    trainer.streams.append([trainer.job(), None])

    async def leave() -> None:
        async with braintumor.AsyncClient(trainer.address) as client:
            watching = client.watch("operations/1")
            await anext(watching)
            await watching.aclose()
            assert await asyncio.to_thread(trainer.left.wait, 10)

    asyncio.run(leave())


def test_two_threads_watch_one_job(trainer):
    begun, ended = trainer.job(epoch=1), trainer.job(response=RESPONSE)
    trainer.streams.extend([[begun, ended]] * 2)
    seen: list[int] = []
    with braintumor.Client(trainer.address) as client:

        def watch() -> None:
            seen.append(len(list(client.watch("operations/1"))))

        threads = [threading.Thread(target=watch) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
    assert seen == [2, 2]
