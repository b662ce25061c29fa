"""Jobs run one at a time, and each comes to exactly one end."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
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
from trainer.figures import EpochMetrics, Evaluation
from trainer.jobs.jobs import Jobs
from trainer.jobs.operation import Failure, Operation, Order, Outcome, Progress, State, Step
from trainer.operations import Operations

_OUTCOME = Outcome(
    metrics=EpochMetrics(0.5, 0.75, 0.25, 1.0),
    evaluation=Evaluation(4, 1, 1, 1, 1, 2, 0, 2, 0),
    version=2,
    blessed=True,
)
Until = Callable[[Callable[[], Any]], Awaitable[Any]]


class Script:
    """Work that does as the test says: it goes on when it is let go, and notes what was asked of it."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.undone: list[str] = []
        self.cleared: list[tuple[str, bool]] = []
        self.steps = [Progress(step=Step.TRAIN, epoch=1, fraction=0.5)]
        self.outcome = _OUTCOME
        self.error: Exception | None = None
        self.clear_error: Exception | None = None
        self.undo_is_too_late = False
        self.at_work = 0
        self.let_go = asyncio.Event()

    async def do(self, operation: Operation, note: Callable[[Progress], None]) -> Outcome:
        self.done.append(operation.operation_id)
        self.at_work += 1
        assert self.at_work == 1
        try:
            for progress in self.steps:
                note(progress)
            await self.let_go.wait()
        finally:
            self.at_work -= 1
        if self.error is not None:
            raise self.error
        return self.outcome

    async def undo(self, operation: Operation) -> bool:
        self.undone.append(operation.operation_id)
        return not self.undo_is_too_late

    async def clear(self, operation: Operation, *, completely: bool) -> None:
        self.cleared.append((operation.operation_id, completely))
        if self.clear_error is not None:
            raise self.clear_error


class Scene:
    """Jobs at work in an event loop."""

    def __init__(self, operations: Operations, order: Order) -> None:
        self.work = Script()
        self.operations = operations
        self.jobs = Jobs(operations, self.work, max_queued=2, max_attempts=3)
        self._order = order
        self._running = asyncio.create_task(self.jobs.run())

    async def submit(self) -> str:
        return (await self.jobs.submit(self._order, "")).operation_id

    async def state(self, identity: str) -> State:
        return (await self.operations.get(identity)).state

    async def stop(self) -> None:
        self._running.cancel()
        await asyncio.wait([self._running])


@contextlib.asynccontextmanager
async def _scene(directory: Path, order: Order) -> AsyncIterator[Scene]:
    operations = Operations(directory / "trainer.db")
    await operations.open()
    scene = Scene(operations, order)
    yield scene
    await scene.stop()
    await operations.close()


async def test_jobs_run_one_after_the_other(tmp_path: Path, order: Order, until: Until) -> None:
    async with _scene(tmp_path, order) as scene:
        first, second = await scene.submit(), await scene.submit()
        await until(lambda: scene.work.at_work)
        assert (await scene.state(first), await scene.state(second)) == (State.RUNNING, State.QUEUED)
        scene.work.let_go.set()
        ended = await scene.operations.ended(second)

        assert scene.work.done == [first, second]
        assert (ended.result, ended.progress.fraction, ended.progress.epoch) == (_OUTCOME, 1.0, 1)
        await until(lambda: scene.work.cleared == [(first, False), (second, False)])


async def test_what_a_job_logs_carries_the_request_id_of_its_call(
    tmp_path: Path, order: Order, until: Until, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    caplog.handler.setFormatter(logs.JsonFormatter())
    async with _scene(tmp_path, order) as scene:
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


async def test_progress_is_noted_while_a_job_runs(tmp_path: Path, order: Order, until: Until) -> None:
    async with _scene(tmp_path, order) as scene:
        scene.work.steps = [Progress(step=Step.TRAIN, epoch=epoch, fraction=0.5) for epoch in range(1, 100)]
        identity = await scene.submit()

        async def newest() -> bool:
            return (await scene.operations.get(identity)).progress.epoch == 99

        await until(newest)


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
            KeyError("/secret/path"),
            Failure(status_code="INTERNAL", reason="INTERNAL", message="the job failed inside; the log tells more"),
        ),
    ],
)
async def test_a_job_that_fails_says_why_and_the_next_one_runs(
    tmp_path: Path, order: Order, error: Exception, failure: Failure, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    async with _scene(tmp_path, order) as scene:
        scene.work.error = error
        scene.work.let_go.set()
        first = await scene.submit()
        ended = await scene.operations.ended(first)
        assert (ended.state, ended.result, ended.progress.fraction) == (State.FAILED, failure, 0.5)
        (told,) = [record for record in caplog.records if record.message == "job ended"]
        assert vars(told)["reason"] == failure.reason
        scene.work.error = None

        assert (await scene.operations.ended(await scene.submit())).state is State.SUCCEEDED


async def test_a_queued_job_is_cancelled_without_having_run(tmp_path: Path, order: Order, until: Until) -> None:
    async with _scene(tmp_path, order) as scene:
        first, second = await scene.submit(), await scene.submit()
        await until(lambda: scene.work.at_work)
        await scene.jobs.cancel(second)
        assert await scene.state(second) is State.CANCELLED
        scene.work.let_go.set()
        await scene.operations.ended(first)

        assert scene.work.done == [first]


async def test_a_running_job_is_cancelled_undone_and_cleared(tmp_path: Path, order: Order, until: Until) -> None:
    async with _scene(tmp_path, order) as scene:
        identity = await scene.submit()
        await until(lambda: scene.work.at_work)
        await asyncio.gather(*(scene.jobs.cancel(identity) for _ in range(3)))

        assert await scene.state(identity) is State.CANCELLED
        assert scene.work.undone == [identity]
        await until(lambda: scene.work.cleared == [(identity, True)])


async def test_a_cancel_right_after_the_start_counts(tmp_path: Path, order: Order) -> None:
    async with _scene(tmp_path, order) as scene:
        for _ in range(20):
            identity = await scene.submit()
            await scene.jobs.cancel(identity)
            assert await scene.state(identity) is State.CANCELLED


async def test_a_cancel_before_the_work_has_begun_counts(
    opened: Any, tmp_path: Path, order: Order, until: Until
) -> None:
    """The job is a running one already, and nothing runs that could be cancelled."""
    async with opened(tmp_path) as operations:
        jobs = Jobs(operations, Script(), max_queued=2, max_attempts=3)
        identity = (await jobs.submit(order, "")).operation_id
        await operations.begin(identity)
        cancelling = asyncio.create_task(jobs.cancel(identity))
        await until(lambda: identity in jobs._unwanted)
        await asyncio.wait_for(jobs.step(), 10)
        await cancelling

        assert (await operations.get(identity)).state is State.CANCELLED


async def test_a_job_that_comes_while_the_next_is_looked_for_is_not_missed(
    opened: Any, tmp_path: Path, order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(tmp_path) as operations:
        jobs, look = Jobs(operations, Script(), max_queued=2, max_attempts=3), operations.next_unfinished

        async def slow_look() -> Operation | None:
            found = await look()
            await jobs.submit(order, "")
            return found

        monkeypatch.setattr(operations, "next_unfinished", slow_look)
        await asyncio.wait_for(jobs.step(), 10)


async def test_as_many_jobs_wait_as_may_beside_the_one_that_runs(tmp_path: Path, order: Order) -> None:
    async with _scene(tmp_path, order) as scene:
        for _ in range(3):
            await scene.submit()
        with pytest.raises(QueueFullError, match=r"^2 jobs wait"):
            await scene.submit()


async def test_a_cancel_that_is_too_late_changes_nothing(tmp_path: Path, order: Order, until: Until) -> None:
    async with _scene(tmp_path, order) as scene:
        scene.work.undo_is_too_late = True
        identity = await scene.submit()
        await until(lambda: scene.work.at_work)
        cancelling = asyncio.create_task(scene.jobs.cancel(identity))
        await until(lambda: len(scene.work.done) == 2)
        scene.work.let_go.set()
        await cancelling

        assert await scene.state(identity) is State.SUCCEEDED


async def test_a_cancel_of_what_has_ended_does_nothing(tmp_path: Path, order: Order) -> None:
    async with _scene(tmp_path, order) as scene:
        scene.work.let_go.set()
        identity = await scene.submit()
        await scene.operations.ended(identity)
        await scene.jobs.cancel(identity)

        assert await scene.state(identity) is State.SUCCEEDED
        with pytest.raises(OperationNotFoundError):
            await scene.jobs.cancel("other")


async def test_a_caller_who_leaves_cancels_all_the_same(tmp_path: Path, order: Order, until: Until) -> None:
    async with _scene(tmp_path, order) as scene:
        identity = await scene.submit()
        await until(lambda: scene.work.at_work)
        caller = asyncio.create_task(scene.jobs.cancel(identity))
        await until(lambda: not scene.work.at_work)
        caller.cancel()

        assert (await scene.operations.ended(identity)).state is State.CANCELLED


async def test_a_stop_leaves_the_job_to_the_next_start(tmp_path: Path, order: Order, until: Until) -> None:
    async with _scene(tmp_path, order) as scene:
        identity, waiting = await scene.submit(), await scene.submit()
        await until(lambda: scene.work.at_work)
    async with _scene(tmp_path, order) as scene:
        assert await scene.state(identity) is State.RUNNING
        scene.work.let_go.set()
        await scene.operations.ended(waiting)

        assert scene.work.done == [identity, waiting]


@pytest.mark.parametrize("error", [None, SourceError("gone")])
async def test_what_cannot_be_cleared_is_not_done_again(
    tmp_path: Path, order: Order, error: Exception | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trainer.jobs.jobs._RETRY_S", 0.01)
    async with _scene(tmp_path, order) as scene:
        scene.work.error = error
        scene.work.clear_error = PermissionError("not yours")
        scene.work.let_go.set()
        first, second = await scene.submit(), await scene.submit()
        await scene.operations.ended(second)

        assert scene.work.done == [first, second]


async def test_what_cannot_be_cleared_is_cancelled_all_the_same(tmp_path: Path, order: Order, until: Until) -> None:
    async with _scene(tmp_path, order) as scene:
        scene.work.clear_error = PermissionError("not yours")
        identity = await scene.submit()
        await until(lambda: scene.work.at_work)
        await asyncio.wait_for(scene.jobs.cancel(identity), 10)

        assert scene.work.done == [identity]


async def test_only_what_has_ended_is_deleted(tmp_path: Path, order: Order) -> None:
    async with _scene(tmp_path, order) as scene:
        identity = await scene.submit()
        with pytest.raises(OperationUnfinishedError):
            await scene.jobs.delete(identity)
        assert scene.work.cleared == []
        await scene.jobs.cancel(identity)
        await scene.jobs.delete(identity)

        with pytest.raises(OperationNotFoundError):
            await scene.operations.get(identity)
        assert scene.work.cleared[-1] == (identity, True)


@contextlib.asynccontextmanager
async def _full_disk(operations: Operations) -> AsyncIterator[None]:
    """Nothing is written beyond the page that there is, which SQLite takes for a full disk."""
    run, database = operations._run, operations._store._database
    await run(database.execute, "PRAGMA max_page_count = 1")
    yield
    await run(database.execute, "PRAGMA max_page_count = 1000000")


def _of_nearly_a_page(order: Order) -> Order:
    return replace(order, image_dir="x" * 3000)


async def test_an_end_that_cannot_be_written_is_written_when_it_can(tmp_path: Path, order: Order, until: Until) -> None:
    async with _scene(tmp_path, _of_nearly_a_page(order)) as scene:
        scene.work.error = SourceError("x" * 1000)
        identity = await scene.submit()
        await until(lambda: scene.work.at_work)
        async with _full_disk(scene.operations):
            scene.work.let_go.set()
            await until(lambda: scene.work.cleared)
            assert await scene.state(identity) is State.RUNNING

        assert (await scene.operations.ended(identity)).state is State.FAILED
        assert scene.work.done == [identity]


async def test_a_success_that_cannot_be_written_keeps_its_records(
    tmp_path: Path, order: Order, until: Until, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From which it would be told at the next start; a job that has failed makes room with them."""
    monkeypatch.setattr("trainer.jobs.jobs._RETRY_S", 0.01)
    async with _scene(tmp_path, _of_nearly_a_page(order)) as scene:
        scene.work.outcome = replace(_OUTCOME, reasons=("x" * 1000,))
        identity = await scene.submit()
        await until(lambda: scene.work.at_work)
        async with _full_disk(scene.operations):
            scene.work.let_go.set()
            await until(lambda: caplog.text.count("the end of a job has to wait") >= 2)
            assert scene.work.cleared == []

        assert (await scene.operations.ended(identity)).state is State.SUCCEEDED
