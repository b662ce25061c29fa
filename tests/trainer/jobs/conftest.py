"""Jobs whose work does as the test says."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from trainer.figures import EpochMetrics, Evaluation
from trainer.jobs.jobs import Jobs
from trainer.jobs.operation import Operation, Order, Outcome, Progress, State, Step
from trainer.operations import Operations

_OUTCOME = Outcome(
    metrics=EpochMetrics(0.5, 0.75, 0.25, 1.0),
    evaluation=Evaluation(4, 1, 1, 1, 1, 2, 0, 2, 0),
    version=2,
    blessed=True,
)


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
        self.note: Callable[[Progress], None] = lambda _: None
        self.let_go = asyncio.Event()

    async def do(self, operation: Operation, note: Callable[[Progress], None]) -> Outcome:
        self.done.append(operation.operation_id)
        self.at_work += 1
        self.note = note
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


@pytest.fixture
def script() -> Script:
    """Work that waits until it is let go, and then succeeds."""
    return Script()


@pytest.fixture(scope="session")
def scene_of() -> Callable[[Path, Order], AbstractAsyncContextManager[Scene]]:
    """Has jobs at work on the database of a directory, for as long as the block lasts."""

    @asynccontextmanager
    async def scene_of(directory: Path, order: Order) -> AsyncIterator[Scene]:
        operations = Operations(directory / "trainer.db")
        await operations.open()
        scene = Scene(operations, order)
        yield scene
        await scene.stop()
        await operations.close()

    return scene_of
