"""A job that takes the trainer with it comes to an end as well. To begin, and neither end nor leave: that is a kill."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from trainer.errors import SourceError
from trainer.jobs.jobs import Jobs
from trainer.jobs.operation import Failure, Operation, Order, Outcome, Progress, State
from trainer.operations import Operations


class Work:
    """Fails when it is let go."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.begun, self.let_go = asyncio.Event(), asyncio.Event()

    async def do(self, operation: Operation, _note: Callable[[Progress], None]) -> Outcome:
        self.done.append(operation.operation_id)
        self.begun.set()
        await self.let_go.wait()
        raise SourceError("no images")

    async def undo(self, _operation: Operation) -> bool:
        return True

    async def clear(self, operation: Operation, *, completely: bool) -> None:
        """Nothing is left."""


@contextlib.asynccontextmanager
async def _trainer(operations: Operations) -> AsyncIterator[Work]:
    """Works until it is stopped, in good order."""
    work = Work()
    running = asyncio.create_task(Jobs(operations, work, max_queued=2, max_attempts=3).run())
    yield work
    running.cancel()
    await asyncio.wait([running])


async def test_a_job_that_kills_the_trainer_each_time_fails_and_the_next_one_runs(
    opened: Any, tmp_path: Path, order: Order
) -> None:
    async with opened(tmp_path) as operations:
        deadly, next_one = [(await operations.add(order, "", 2)).operation_id for _ in range(2)]
        for _ in range(3):
            await operations.begin(deadly)
        async with _trainer(operations) as work:
            work.let_go.set()
            ends = [(await operations.ended(identity)).result for identity in (deadly, next_one)]

    told = "the trainer died 3 times in a row in this job, which got no further; it may need more memory than there is"
    assert ends == [
        Failure(status_code="RESOURCE_EXHAUSTED", reason="OUT_OF_MEMORY", message=told),
        Failure(status_code="FAILED_PRECONDITION", reason="IMAGE_SOURCE_INVALID", message="no images"),
    ]
    assert work.done == [next_one]


async def test_a_trainer_may_be_stopped_in_good_order_any_number_of_times(
    opened: Any, tmp_path: Path, order: Order
) -> None:
    async with opened(tmp_path) as operations:
        identity = (await operations.add(order, "", 2)).operation_id
        for _ in range(3):
            await operations.begin(identity)
            await operations.leave(identity)
            async with _trainer(operations) as work:
                await work.begun.wait()
            assert (await operations.get(identity)).attempts == 0


async def test_a_trainer_that_is_stopped_as_it_begins_a_job_is_stopped_in_good_order(
    opened: Any, tmp_path: Path, order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(tmp_path) as operations:
        identity = (await operations.add(order, "", 2)).operation_id
        stepping = asyncio.create_task(Jobs(operations, Work(), max_queued=2, max_attempts=3).step())
        begin = operations.begin

        async def stopped_as_it_begins(operation_id: str) -> bool:
            await begin(operation_id)
            stepping.cancel()
            await asyncio.sleep(0)
            return True

        monkeypatch.setattr(operations, "begin", stopped_as_it_begins)
        await asyncio.wait([stepping])
        assert stepping.cancelled()
        operation = await operations.get(identity)
        assert (operation.state, operation.attempts) == (State.RUNNING, 0)


async def test_attempts_count_from_where_a_job_last_got_further(opened: Any, tmp_path: Path, order: Order) -> None:
    async with opened(tmp_path) as operations:
        identity = (await operations.add(order, "", 2)).operation_id
        counts = []
        for fraction in (0.1, 0.5, 0.5, 0.5, 0.6, 0.6):
            await operations.begin(identity)
            await operations.note(identity, Progress(fraction=fraction))
            counts.append((await operations.get(identity)).attempts)

    assert counts == [0, 0, 1, 2, 0, 1]
