"""A job is cancelled at any moment of its life, and comes to one end all the same."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from trainer.errors import OperationNotFoundError
from trainer.jobs.jobs import Jobs
from trainer.jobs.operation import Order, State


async def test_a_queued_job_is_cancelled_without_having_run(
    scene_of: Any, tmp_path: Path, order: Order, until: Any
) -> None:
    async with scene_of(tmp_path, order) as scene:
        first, second = await scene.submit(), await scene.submit()
        await until(lambda: scene.work.at_work)
        await scene.jobs.cancel(second)
        assert await scene.state(second) is State.CANCELLED
        scene.work.let_go.set()
        await scene.operations.ended(first)

        assert scene.work.done == [first]


async def test_a_running_job_is_cancelled_undone_and_cleared(
    scene_of: Any, tmp_path: Path, order: Order, until: Any
) -> None:
    async with scene_of(tmp_path, order) as scene:
        identity = await scene.submit()
        await until(lambda: scene.work.at_work)
        await asyncio.gather(*(scene.jobs.cancel(identity) for _ in range(3)))

        assert await scene.state(identity) is State.CANCELLED
        assert scene.work.undone == [identity]
        await until(lambda: scene.work.cleared == [(identity, True)])


async def test_a_cancel_right_after_the_start_counts(scene_of: Any, tmp_path: Path, order: Order) -> None:
    async with scene_of(tmp_path, order) as scene:
        for _ in range(20):
            identity = await scene.submit()
            await scene.jobs.cancel(identity)
            assert await scene.state(identity) is State.CANCELLED


async def test_a_cancel_before_the_work_has_begun_counts(
    opened: Any, script: Any, tmp_path: Path, order: Order, until: Any
) -> None:
    """The job is a running one already, and nothing runs that could be cancelled."""
    async with opened(tmp_path) as operations:
        jobs = Jobs(operations, script, max_queued=2, max_attempts=3)
        identity = (await jobs.submit(order, "")).operation_id
        await operations.begin(identity)
        cancelling = asyncio.create_task(jobs.cancel(identity))
        await until(lambda: identity in jobs._unwanted)
        await asyncio.wait_for(jobs.step(), 10)
        await cancelling

        assert (await operations.get(identity)).state is State.CANCELLED


async def test_a_cancel_that_is_too_late_changes_nothing(
    scene_of: Any, tmp_path: Path, order: Order, until: Any
) -> None:
    async with scene_of(tmp_path, order) as scene:
        scene.work.undo_is_too_late = True
        identity = await scene.submit()
        await until(lambda: scene.work.at_work)
        cancelling = asyncio.create_task(scene.jobs.cancel(identity))
        await until(lambda: len(scene.work.done) == 2)
        scene.work.let_go.set()
        await cancelling

        assert await scene.state(identity) is State.SUCCEEDED


async def test_a_cancel_of_what_has_ended_does_nothing(scene_of: Any, tmp_path: Path, order: Order, until: Any) -> None:
    """Nor to the job that runs."""
    async with scene_of(tmp_path, order) as scene:
        scene.work.let_go.set()
        identity = await scene.submit()
        await scene.operations.ended(identity)
        scene.work.let_go.clear()
        other = await scene.submit()
        await until(lambda: scene.work.at_work)
        await scene.jobs.cancel(identity)
        scene.work.let_go.set()

        assert (await scene.operations.ended(other)).state is State.SUCCEEDED
        assert await scene.state(identity) is State.SUCCEEDED
        with pytest.raises(OperationNotFoundError):
            await scene.jobs.cancel("other")


async def test_a_caller_who_leaves_cancels_all_the_same(
    scene_of: Any, tmp_path: Path, order: Order, until: Any
) -> None:
    async with scene_of(tmp_path, order) as scene:
        identity = await scene.submit()
        await until(lambda: scene.work.at_work)
        caller = asyncio.create_task(scene.jobs.cancel(identity))
        await until(lambda: not scene.work.at_work)
        caller.cancel()

        assert (await scene.operations.ended(identity)).state is State.CANCELLED


async def test_what_cannot_be_cleared_is_cancelled_all_the_same(
    scene_of: Any, tmp_path: Path, order: Order, until: Any
) -> None:
    async with scene_of(tmp_path, order) as scene:
        scene.work.clear_error = PermissionError("not yours")
        identity = await scene.submit()
        await until(lambda: scene.work.at_work)
        await asyncio.wait_for(scene.jobs.cancel(identity), 10)

        assert scene.work.done == [identity]


async def test_a_stop_returns_when_the_work_has_ended(
    scene_of: Any, tmp_path: Path, order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process of a job takes a moment to go, and none is to outlive the trainer."""
    begun, gone = asyncio.Event(), asyncio.Event()

    async def goes_late(*_: Any) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.2)
            gone.set()

    async with scene_of(tmp_path, order) as scene:
        monkeypatch.setattr(scene.work, "do", goes_late)
        await scene.submit()
        await begun.wait()
        await scene.stop()

        assert gone.is_set()
