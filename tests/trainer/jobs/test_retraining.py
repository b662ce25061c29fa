"""A job whose steps were all finished before a kill: what is left is to find that out, and the rollout."""

import asyncio
import errno
import json
import os
import shutil
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from trainer.dataset import DatasetSummary
from trainer.errors import DiskFullError, RolloutError, ServingUnavailableError
from trainer.figures import EpochMetrics, Evaluation
from trainer.gate import Decision
from trainer.jobs.operation import Operation, Order, Progress, State
from trainer.jobs.retraining import Retraining
from trainer.record import write_record
from trainer.rollout.files import RolloutFiles
from trainer.rollout.rollout import Rollout
from trainer.rollout.serving_client import ServingClient
from trainer.rollout.state import RolloutState
from trainer.settings import TrainerSettings
from trainer.train import Training
from trainer.versions import versions_on_disk
from transport.peer_tls import connect

_SHIPPED = Path(__file__).parents[3] / "data/models/brain_tumor/1"
_NOWHERE = "127.0.0.1:1"
_METRICS = EpochMetrics(0.5, 0.75, 0.25, 1.0)

Until = Callable[[Callable[[], Any]], Awaitable[Any]]
UnderWay = Callable[[Coroutine[Any, Any, None]], Awaitable[asyncio.Task[None]]]
Open = Callable[[], AbstractAsyncContextManager[Retraining]]


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TrainerSettings:
    """Of a data root whose stable version is 1, without a serving."""
    for name, value in {"DATA_ROOT": str(tmp_path), "TRAINER_ROLLOUT_TIMEOUT_S": "0.5"}.items():
        monkeypatch.setenv(name, value)
    settings = TrainerSettings()
    shutil.copytree(_SHIPPED, settings.model_dir / "1")
    RolloutFiles(settings).write(RolloutState(stable=1))
    return settings


@pytest.fixture
def operation(settings: TrainerSettings, order: Order) -> Operation:
    """Of a job that has left all records, and published version 2."""
    run_dir = settings.runs_dir / "job"
    run_dir.mkdir(parents=True)
    write_record(run_dir / "dataset.json", DatasetSummary("f00d", 30, 30, 8, 8, 19, 0, {}))
    write_record(
        run_dir / "training.json",
        Training("residual_cnn", 1, "f00d", 26, 4, 1, [_METRICS], 0, 1.0, 0.5, (0.5, 0.5), 0.2),
    )
    write_record(run_dir / "evaluation.json", Evaluation(8, 1, 1, 1, 1, 4, 0, 4, 0))
    write_record(run_dir / "gate.json", Decision(True, ()))
    card = shutil.copytree(_SHIPPED, settings.model_dir / "2") / "assets.extra/model_card.json"
    card.write_text(json.dumps(json.loads(card.read_text()) | {"operation_id": "job"}))
    return Operation(
        operation_id="job", order=order, state=State.RUNNING, created_s=0.0, progress=Progress(fraction=0.9)
    )


@pytest.fixture
def retraining(settings: TrainerSettings) -> Open:
    """Opens what is under test."""

    @asynccontextmanager
    async def retraining() -> AsyncIterator[Retraining]:
        async with connect(_NOWHERE) as channel:
            yield Retraining(settings, Rollout(settings, ServingClient(channel, settings.model_name)))

    return retraining


@pytest.fixture
def under_way(settings: TrainerSettings, until: Until) -> UnderWay:
    """Begins a rollout of version 2, and waits until serving is to load it."""

    def is_listed() -> bool:
        return settings.models_config.exists() and "versions: 2" in settings.models_config.read_text()

    async def under_way(rollout: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(rollout)
        await until(is_listed)
        return task

    return under_way


async def test_a_published_version_is_not_published_again_and_waits_for_serving(
    settings: TrainerSettings, operation: Operation, retraining: Open
) -> None:
    seen: list[Progress] = []
    log = settings.runs_dir / "job/log.txt"
    log.write_text("before the kill\n")
    async with retraining() as work:
        with pytest.raises(RolloutError, match="it must be running"):
            await work.do(operation, seen.append)

    assert versions_on_disk(settings.model_dir) == [1, 2]
    assert RolloutFiles(settings).read().stable == 1
    assert [progress.fraction for progress in seen] == [0.95]
    assert log.read_text().startswith("before the kill\n")


async def test_a_version_that_serving_is_too_long_away_for_is_named(
    operation: Operation, retraining: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trainer.rollout.following._AWAY_S", 0.1)
    async with retraining() as work:
        with pytest.raises(ServingUnavailableError, match="promote version 2 when it is back"):
            await work.do(operation, lambda _: None)


async def test_a_version_that_there_is_no_room_to_tell_of_is_named(
    operation: Operation, retraining: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("trainer.durable.os.fsync", full)
    async with retraining() as work:
        with pytest.raises(DiskFullError, match="promote version 2 when there is some"):
            await work.do(operation, lambda _: None)


async def test_a_cancelled_job_takes_its_version_back(
    settings: TrainerSettings, operation: Operation, retraining: Open
) -> None:
    async with retraining() as work:
        doing = asyncio.create_task(work.do(operation, lambda _: None))
        await asyncio.sleep(0)
        doing.cancel()
        await asyncio.wait([doing])
        assert doing.cancelled()
        assert await work.undo(operation)
        await work.clear(operation, completely=True)

    assert versions_on_disk(settings.model_dir) == [1]
    assert list(settings.runs_dir.iterdir()) == []


async def test_what_serving_holds_already_is_not_taken_back(
    settings: TrainerSettings, operation: Operation, retraining: Open
) -> None:
    RolloutFiles(settings).write(RolloutState(stable=2, previous=1))
    async with retraining() as work:
        assert not await work.undo(operation)

    assert versions_on_disk(settings.model_dir) == [1, 2]


async def test_what_somebody_promotes_is_there_until_that_has_ended(
    settings: TrainerSettings, operation: Operation, retraining: Open, under_way: UnderWay
) -> None:
    """Serving is away here, so the promotion ends in vain; only then the cancelled job takes its version back."""
    async with retraining() as work:
        promotion = await under_way(work._rollout.roll_out(2))
        undoing = asyncio.create_task(work.undo(operation))
        with pytest.raises(RolloutError, match="it must be running"):
            await promotion
        assert await undoing

    assert versions_on_disk(settings.model_dir) == [1]


async def test_the_only_version_is_taken_back_where_its_rollout_was_broken_off_before_its_turn(
    settings: TrainerSettings, operation: Operation, retraining: Open, under_way: UnderWay
) -> None:
    """Somebody promotes it, in vain since serving is away, and the job that waits behind is cancelled."""
    shutil.rmtree(settings.model_dir / "1")
    async with retraining() as work:
        promotion = await under_way(work._rollout.roll_out(2))
        doing = asyncio.create_task(work._roll_out(2))
        await asyncio.sleep(0)
        doing.cancel()
        await asyncio.wait([promotion, doing])
        assert promotion.exception() is not None
        assert await work.undo(operation)

    assert versions_on_disk(settings.model_dir) == []


async def test_what_was_stable_and_was_taken_back_is_not_rolled_out_again(
    settings: TrainerSettings, operation: Operation, retraining: Open
) -> None:
    """Killed between the rollout and the record of its end, a job is resumed; somebody went back in the meantime."""
    RolloutFiles(settings).write(RolloutState(stable=1, previous=2))
    async with retraining() as work:
        assert (await work.do(operation, lambda _: None)).version == 2

    assert RolloutFiles(settings).read() == RolloutState(stable=1, previous=2)


async def test_the_only_version_is_taken_back_where_its_rollout_was_broken_off(
    settings: TrainerSettings, operation: Operation, retraining: Open, under_way: UnderWay
) -> None:
    shutil.rmtree(settings.model_dir / "1")
    async with retraining() as work:
        assert not await work.undo(operation)
        rolling_out = await under_way(work._roll_out(2))
        rolling_out.cancel()
        await asyncio.wait([rolling_out])
        assert await work.undo(operation)

    assert versions_on_disk(settings.model_dir) == []
    assert RolloutFiles(settings).read() == RolloutState()


async def test_the_only_version_stays_where_it_was_stable_before_its_rollout_was_broken_off(
    settings: TrainerSettings, operation: Operation, retraining: Open, under_way: UnderWay
) -> None:
    """Killed after the rollout, a job is resumed, and cancelled while it makes sure that serving agrees."""
    shutil.rmtree(settings.model_dir / "1")
    RolloutFiles(settings).write(RolloutState(stable=2))
    settings.models_config.unlink()  # so that it tells when the rollout is under way
    async with retraining() as work:
        rolling_out = await under_way(work._roll_out(2))
        rolling_out.cancel()
        await asyncio.wait([rolling_out])
        assert not await work.undo(operation)

    assert versions_on_disk(settings.model_dir) == [2]


async def test_a_start_clears_up_after_a_kill(
    settings: TrainerSettings, operation: Operation, retraining: Open
) -> None:
    ended, running = settings.runs_dir / uuid.uuid4().hex, settings.runs_dir / "job"
    copy = settings.data_root / "processed/.unfinished-x"
    for path in (
        ended / "candidate",
        ended / "tensorboard",
        settings.runs_dir / uuid.uuid4().hex / "candidate",
        settings.model_dir / f".unfinished-{ended.name}",
        settings.model_dir / ".unfinished-unknown",
        settings.model_dir / ".removed-1",
        copy.parent,
    ):
        path.mkdir(parents=True)
    copy.touch()
    os.utime(copy, (0, 0))
    of_ended = Operation(operation_id=ended.name, order=operation.order, state=State.FAILED, created_s=0.0)
    records = sorted(running.iterdir())
    async with retraining() as work:
        await work.recover([operation, of_ended])

    assert set(settings.runs_dir.iterdir()) == {ended, running}
    assert [path.name for path in ended.iterdir()] == ["tensorboard"]
    assert sorted(running.iterdir()) == records
    assert not [*settings.data_root.rglob(".unfinished-*"), *settings.data_root.rglob(".removed-*")]


async def test_a_start_leaves_what_is_no_jobs(settings: TrainerSettings, retraining: Open) -> None:
    """Such as the root of a file system, or curves that somebody has set aside."""
    others = [settings.runs_dir / "lost+found", settings.runs_dir / f"{uuid.uuid4().hex}-kept"]
    for directory in others:
        directory.mkdir(parents=True)
    async with retraining() as work:
        await work.recover([])

    assert sorted(settings.runs_dir.iterdir()) == sorted(others)


async def test_a_start_outlasts_what_cannot_be_removed(
    settings: TrainerSettings, operation: Operation, retraining: Open
) -> None:
    ended = replace(operation, operation_id=uuid.uuid4().hex, state=State.FAILED)
    copy, candidate = (
        settings.data_root / "processed/.unfinished-x",
        settings.runs_dir / ended.operation_id / "candidate",
    )
    for path in (copy, candidate):
        path.parent.mkdir(parents=True)
        path.touch()
        path.parent.chmod(0o555)
    os.utime(copy, (0, 0))
    try:
        if os.access(candidate.parent, os.W_OK):
            pytest.skip("root may remove everything")
        async with retraining() as work:
            await work.recover([ended])
    finally:
        for path in (copy, candidate):
            path.parent.chmod(0o755)


async def test_a_start_leaves_commands_at_their_work(
    settings: TrainerSettings, operation: Operation, retraining: Open
) -> None:
    """A version that is being published by hand, a data set that is being built, and a split that is being copied."""
    publishing = settings.model_dir / ".unfinished-by-hand"
    building = settings.data_root / "processed/.unfinished-data-set-x"
    copy = settings.data_root / "test/.unfinished-y"
    for path in (publishing, building, copy.parent):
        path.mkdir(parents=True)
    copy.touch()
    async with retraining() as work:
        await work.recover([operation])

    assert all(path.exists() for path in (publishing, building, copy))
