"""The end of a job that cannot be written for now."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from trainer.errors import SourceError, StoreError
from trainer.jobs.operation import Order, State
from trainer.operations import Operations


@contextlib.asynccontextmanager
async def _full_disk(operations: Operations) -> AsyncIterator[None]:
    """Nothing is written beyond the page that there is, which SQLite takes for a full disk."""
    run, database = operations._run, operations._store._database
    await run(database.execute, "PRAGMA max_page_count = 1")
    yield
    await run(database.execute, "PRAGMA max_page_count = 1000000")


def _of_nearly_a_page(order: Order) -> Order:
    return replace(order, image_dir="x" * 3000)


async def _has_failed(scene: Any, identity: str) -> bool:
    return await scene.state(identity) is State.FAILED


async def test_an_end_that_cannot_be_written_is_written_when_it_can(
    scene_of: Any, tmp_path: Path, order: Order, until: Any
) -> None:
    async with scene_of(tmp_path, _of_nearly_a_page(order)) as scene:
        scene.work.error = SourceError("x" * 1000)
        identity = await scene.submit()
        await until(lambda: scene.work.at_work)
        async with _full_disk(scene.operations):
            scene.work.let_go.set()
            await until(lambda: scene.work.cleared)
            assert await scene.state(identity) is State.RUNNING
            with pytest.raises(StoreError, match="its end cannot be written yet: no space is left"):
                await scene.operations.ended(identity)

        await until(lambda: _has_failed(scene, identity))
        assert scene.work.done == [identity]


async def test_a_success_that_cannot_be_written_keeps_its_records(
    scene_of: Any,
    tmp_path: Path,
    order: Order,
    until: Any,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """From which it would be told at the next start; a job that has failed makes room with them. It is logged once."""
    monkeypatch.setattr("trainer.jobs.jobs._RETRY_S", 0.01)
    async with scene_of(tmp_path, _of_nearly_a_page(order)) as scene:
        end, tries = scene.operations.end, []
        monkeypatch.setattr(scene.operations, "end", lambda *of, **how: tries.append(of) or end(*of, **how))
        scene.work.outcome = replace(scene.work.outcome, reasons=("x" * 1000,))
        identity = await scene.submit()
        await until(lambda: scene.work.at_work)
        async with _full_disk(scene.operations):
            scene.work.let_go.set()
            await until(lambda: len(tries) > 2)
            assert caplog.text.count("the end of a job has to wait") == 1
            assert scene.work.cleared == []

        await until(lambda: scene.work.cleared)
        assert (await scene.operations.ended(identity)).state is State.SUCCEEDED
