"""Jobs run one at a time, and each comes to exactly one end."""

import asyncio
import errno
import json
from pathlib import Path
from typing import Any

import grpc
import pytest

from observability import logs, request_id
from trainer.errors import (
    ChildError,
    DiskFullError,
    OperationNotFoundError,
    OperationUnfinishedError,
    QueueFullError,
    SourceError,
)
from trainer.jobs.jobs import Jobs
from trainer.jobs.operation import Failure, Operation, Order, Progress, State, Step
from transport.background import in_background


async def test_jobs_run_one_after_the_other(scene_of: Any, tmp_path: Path, order: Order, until: Any) -> None:
    async with scene_of(tmp_path, order) as scene:
        first, second = await scene.submit(), await scene.submit()
        await until(lambda: scene.work.at_work)
        assert (await scene.state(first), await scene.state(second)) == (State.RUNNING, State.QUEUED)
        scene.work.let_go.set()
        ended = await scene.operations.ended(second)

        assert scene.work.done == [first, second]
        assert (ended.result, ended.progress.fraction, ended.progress.epoch) == (scene.work.outcome, 1.0, 1)
        await until(lambda: scene.work.cleared == [(first, False), (second, False)])


async def test_what_a_job_logs_carries_the_request_id_of_its_call(
    scene_of: Any, tmp_path: Path, order: Order, until: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    caplog.handler.setFormatter(logs.JsonFormatter())
    async with scene_of(tmp_path, order) as scene:
        for identity in ("first", "second"):
            request_id.current.set(identity)
            await scene.submit()
        scene.work.let_go.set()
        await until(lambda: caplog.text.count("job ended") == 2)
    told = [json.loads(line) for line in caplog.text.splitlines()]
    assert [(line["message"], line["request_id"]) for line in told] == [
        ("job begins", "first"),
        ("job ended", "first"),
        ("job begins", "second"),
        ("job ended", "second"),
    ]


async def test_progress_is_noted_while_a_job_runs(scene_of: Any, tmp_path: Path, order: Order, until: Any) -> None:
    async with scene_of(tmp_path, order) as scene:
        scene.work.steps = [Progress(step=Step.TRAIN, epoch=epoch, fraction=0.5) for epoch in range(1, 100)]
        identity = await scene.submit()

        async def newest() -> bool:
            return (await scene.operations.get(identity)).progress.epoch == 99

        await until(newest)


async def test_progress_that_cannot_be_noted_costs_no_later_one(
    scene_of: Any, tmp_path: Path, order: Order, until: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async with scene_of(tmp_path, order) as scene:
        identity = await scene.submit()

        async def is_at(fraction: float) -> bool:
            return bool((await scene.operations.get(identity)).progress.fraction == fraction)

        await until(lambda: is_at(0.5))
        (tmp_path / "trainer.db").rename(tmp_path / "away.db")
        scene.work.note(Progress(step=Step.TRAIN, fraction=0.6))
        await until(lambda: "progress is not noted" in caplog.text)
        (tmp_path / "away.db").rename(tmp_path / "trainer.db")
        scene.work.note(Progress(step=Step.TRAIN, fraction=0.7))
        await until(lambda: is_at(0.7))


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (
            SourceError("gone"),
            Failure(status_code="FAILED_PRECONDITION", reason="IMAGE_SOURCE_INVALID", message="gone"),
        ),
        (
            DiskFullError("full"),
            Failure(status_code="RESOURCE_EXHAUSTED", reason="DISK_FULL", message="full", retry_after_s=60.0),
        ),
        (
            ChildError("no", grpc.StatusCode.UNAVAILABLE, "AWAY", 2.0),
            Failure(status_code="UNAVAILABLE", reason="AWAY", message="no", retry_after_s=2.0),
        ),
        (
            PermissionError(errno.EACCES, "Permission denied", "/secret/path"),
            Failure(
                status_code="FAILED_PRECONDITION",
                reason="TRAINER_ERROR",
                message="a file or directory cannot be read or written: Permission denied; the log names it",
            ),
        ),
        (
            KeyError("/secret/path"),
            Failure(status_code="INTERNAL", reason="INTERNAL", message="the job failed inside; the log tells more"),
        ),
    ],
)
async def test_a_job_that_fails_says_why_and_the_next_one_runs(
    scene_of: Any, tmp_path: Path, order: Order, error: Exception, failure: Failure, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    async with scene_of(tmp_path, order) as scene:
        scene.work.error = error
        scene.work.let_go.set()
        first = await scene.submit()
        ended = await scene.operations.ended(first)
        assert (ended.state, ended.result, ended.progress.fraction) == (State.FAILED, failure, 0.5)
        (told,) = [record for record in caplog.records if record.message == "job ended"]
        assert vars(told)["reason"] == failure.reason
        scene.work.error = None

        assert (await scene.operations.ended(await scene.submit())).state is State.SUCCEEDED


async def test_a_job_that_comes_while_the_next_is_looked_for_is_not_missed(
    opened: Any, script: Any, tmp_path: Path, order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(tmp_path) as operations:
        jobs, look = Jobs(operations, script, max_queued=2, max_attempts=3), operations.next_unfinished

        async def slow_look() -> Operation | None:
            found = await look()
            await jobs.submit(order, "")
            return found

        monkeypatch.setattr(operations, "next_unfinished", slow_look)
        await asyncio.wait_for(jobs.step(), 10)


async def test_who_has_no_job_waits_for_one(opened: Any, script: Any, tmp_path: Path, order: Order) -> None:
    async with opened(tmp_path) as operations:
        jobs = Jobs(operations, script, max_queued=2, max_attempts=3)
        step = asyncio.create_task(jobs.step())
        await asyncio.sleep(0)
        await operations.next_unfinished()  # behind the look of the step, on the one thread
        assert not step.done()
        await jobs.submit(order, "")
        await asyncio.wait_for(step, 10)


async def test_as_many_jobs_wait_as_may_beside_the_one_that_runs(scene_of: Any, tmp_path: Path, order: Order) -> None:
    async with scene_of(tmp_path, order) as scene:
        for _ in range(3):
            await scene.submit()
        with pytest.raises(QueueFullError, match=r"^2 jobs wait"):
            await scene.submit()


async def test_a_stop_leaves_the_job_to_the_next_start(scene_of: Any, tmp_path: Path, order: Order, until: Any) -> None:
    async with scene_of(tmp_path, order) as scene:
        identity, waiting = await scene.submit(), await scene.submit()
        await until(lambda: scene.work.at_work)
    async with scene_of(tmp_path, order) as scene:
        assert await scene.state(identity) is State.RUNNING
        scene.work.let_go.set()
        await scene.operations.ended(waiting)

        assert scene.work.done == [identity, waiting]


async def test_a_stop_ends_the_work_where_nothing_can_be_written(
    scene_of: Any, tmp_path: Path, order: Order, until: Any
) -> None:
    async with scene_of(tmp_path, order) as scene:
        await scene.submit()
        await until(lambda: scene.work.at_work)
        (tmp_path / "trainer.db").unlink()
        await asyncio.wait_for(scene.stop(), 10)

        assert not scene.work.at_work


@pytest.mark.parametrize("error", [None, SourceError("gone")])
async def test_what_cannot_be_cleared_is_not_done_again(
    scene_of: Any, tmp_path: Path, order: Order, error: Exception | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trainer.jobs.jobs._RETRY_S", 0.01)
    async with scene_of(tmp_path, order) as scene:
        scene.work.error = error
        scene.work.clear_error = PermissionError("not yours")
        scene.work.let_go.set()
        first, second = await scene.submit(), await scene.submit()
        await scene.operations.ended(second)

        assert scene.work.done == [first, second]


async def test_why_jobs_have_to_wait_is_told_once(
    opened: Any, script: Any, tmp_path: Path, order: Order, until: Any, caplog: Any, monkeypatch: Any
) -> None:
    """And not each second, with a traceback, for as long as somebody has the database elsewhere."""
    monkeypatch.setattr("trainer.jobs.jobs._RETRY_S", 0.01)
    async with opened(tmp_path) as operations:
        jobs = Jobs(operations, script, max_queued=2, max_attempts=3)
        await jobs.submit(order, "")
        (tmp_path / "trainer.db").rename(tmp_path / "away.db")
        async with in_background(jobs.run()):
            await until(lambda: caplog.records)
            await asyncio.sleep(0.2)
            (tmp_path / "away.db").rename(tmp_path / "trainer.db")
            await until(lambda: script.at_work)

    assert [record.message for record in caplog.records] == ["jobs have to wait"]


async def test_only_what_has_ended_is_deleted_and_then_all_of_it(
    scene_of: Any, tmp_path: Path, order: Order, until: Any
) -> None:
    async with scene_of(tmp_path, order) as scene:
        identity = await scene.submit()
        with pytest.raises(OperationUnfinishedError):
            await scene.jobs.delete(identity)
        assert scene.work.cleared == []
        scene.work.let_go.set()
        await until(lambda: scene.work.cleared == [(identity, False)])
        await scene.jobs.delete(identity)

        with pytest.raises(OperationNotFoundError):
            await scene.operations.get(identity)
        assert scene.work.cleared[1:] == [(identity, True)]
