"""Evaluations take turns, and versions may go meanwhile."""

import asyncio
import shutil
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from trainer.errors import ChildError, ModelVersionNotFoundError, NpzError, QueueFullError
from trainer.figures import Evaluation, VersionEvaluation
from trainer.jobs.evaluator import Evaluator
from trainer.jobs.messages import REPORT, Report
from trainer.jobs.operation import Failure
from trainer.rollout.rollout import Rollout
from trainer.rollout.serving_fleet import ServingFleet
from trainer.settings import TrainerSettings

Until = Callable[[Callable[[], Any]], Awaitable[Any]]

_MEASURED = VersionEvaluation(7, Evaluation(4, 1.0, 1.0, 1.0, 1.0, 2, 0, 2, 0), 0)


class _Scene:
    """An evaluator of versions 7 and 8, one of which may wait; its processes end when they are told to.

    Attributes:
      begun: a process is under way.
    """

    def __init__(self, root: Path, report: Report) -> None:
        settings = TrainerSettings(DATA_ROOT=root, max_queued_jobs=1)
        for version in (7, 8):
            (settings.model_dir / str(version)).mkdir(parents=True)
        settings.test_npz.parent.mkdir()
        settings.test_npz.touch()
        self._test_npz = settings.test_npz
        self.begun, self._go, self._model_dir = root / "begun", root / "go", settings.model_dir
        self.evaluator = Evaluator(settings, Rollout(settings, ServingFleet("127.0.0.1:1", "brain_tumor")))
        self.interpreter = root / "python"
        self.interpreter.write_text(
            f"#!/bin/sh\ntouch {self.begun}\nuntil [ -e {self._go} ]; do sleep 0.02; done\n"
            f"echo '{REPORT.dump_json(report).decode()}'\n"
        )
        self.interpreter.chmod(0o755)

    def evaluate(self, version: int) -> "asyncio.Task[VersionEvaluation]":
        return asyncio.create_task(self.evaluator.evaluate(version))

    def let_go(self) -> None:
        self._go.touch()

    def remove_split(self) -> None:
        self._test_npz.unlink()

    def remove(self, version: int) -> None:
        shutil.rmtree(self._model_dir / str(version))


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Report], _Scene]:
    """Makes one whose processes report what they are given."""

    def made(report: Report) -> _Scene:
        scene = _Scene(tmp_path, report)
        monkeypatch.setattr(sys, "executable", str(scene.interpreter))
        return scene

    return made


async def test_no_more_wait_than_may(scene: Callable[[Report], _Scene], until: Until) -> None:
    here = scene(Report(evaluation=_MEASURED))
    taken = [here.evaluate(7), here.evaluate(7)]
    await until(here.begun.exists)
    with pytest.raises(QueueFullError, match="2 evaluations are under way or wait"):
        await here.evaluate(7)
    here.let_go()

    assert await asyncio.gather(*taken) == [_MEASURED] * 2
    assert await asyncio.gather(here.evaluate(7), here.evaluate(7)) == [_MEASURED] * 2


async def test_a_version_that_goes_before_its_turn_is_not_there(
    scene: Callable[[Report], _Scene], until: Until
) -> None:
    here = scene(Report(evaluation=_MEASURED))
    first, second = here.evaluate(7), here.evaluate(8)
    await until(here.begun.exists)
    here.remove(8)
    here.let_go()

    assert await first == _MEASURED
    with pytest.raises(ModelVersionNotFoundError, match="version 8"):
        await second


async def test_a_version_that_goes_during_its_turn_is_not_broken(
    scene: Callable[[Report], _Scene], until: Until
) -> None:
    here = scene(Report(failure=Failure(status_code="FAILED_PRECONDITION", reason="MODEL_BROKEN", message="told")))
    evaluation = here.evaluate(7)
    await until(here.begun.exists)
    here.remove(7)
    here.let_go()

    with pytest.raises(ModelVersionNotFoundError, match="version 7"):
        await evaluation


async def test_why_a_version_cannot_be_evaluated_is_told_and_the_next_one_has_its_turn(
    scene: Callable[[Report], _Scene],
) -> None:
    failure = Failure(status_code="RESOURCE_EXHAUSTED", reason="OUT_OF_MEMORY", message="told", retry_after_s=60.0)
    here = scene(Report(failure=failure))
    here.let_go()
    for _ in range(3):
        with pytest.raises(ChildError) as raised:
            await here.evaluate(7)
        assert Failure.of(raised.value) == failure


async def test_without_a_test_split_nothing_is_begun(scene: Callable[[Report], _Scene]) -> None:
    here = scene(Report(evaluation=_MEASURED))
    here.remove_split()
    with pytest.raises(NpzError, match="no test split is stored; a retraining job makes one"):
        await here.evaluate(7)

    assert not here.begun.exists()
