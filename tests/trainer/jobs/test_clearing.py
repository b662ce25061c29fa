"""What jobs leave behind is cleared away, and who still works on one is ended first."""

import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from trainer.jobs.operation import Operation, Order, State
from trainer.jobs.retraining import Retraining
from trainer.rollout.rollout import Rollout
from trainer.rollout.serving_fleet import ServingFleet
from trainer.settings import TrainerSettings
from trainer.versions import unfinished_dir

_HOLDER = """
import sys, time
from pathlib import Path
from trainer.jobs.run_directory import hold
lock = hold(Path(sys.argv[1]))
print("holds", flush=True)
time.sleep(600)
"""


@pytest.fixture
def settings(tmp_path: Path) -> TrainerSettings:
    """Of an empty data root."""
    return TrainerSettings(DATA_ROOT=tmp_path)


@pytest.fixture
def work(settings: TrainerSettings) -> Retraining:
    """What is under test; no serving is there."""
    return Retraining(settings, Rollout(settings, ServingFleet("127.0.0.1:1", settings.model_name)))


@pytest.mark.parametrize(("completely", "left"), [(False, ["log.txt"]), (True, None)])
async def test_a_publication_that_was_broken_off_goes_with_its_job(
    settings: TrainerSettings, work: Retraining, order: Order, completely: bool, left: list[str] | None
) -> None:
    operation = Operation(operation_id=uuid.uuid4().hex, order=order, state=State.CANCELLED, created_s=0.0)
    run_dir = settings.runs_dir / operation.operation_id
    for directory in (run_dir / "candidate", unfinished_dir(settings.model_dir, operation.operation_id) / "variables"):
        directory.mkdir(parents=True)
    (run_dir / "log.txt").touch()
    await work.clear(operation, completely=completely)

    assert list(settings.model_dir.iterdir()) == []
    assert ([path.name for path in run_dir.iterdir()] if run_dir.exists() else None) == left


async def test_a_start_ends_who_works_on_a_job_that_nobody_knows(settings: TrainerSettings, work: Retraining) -> None:
    run_dir = settings.runs_dir / uuid.uuid4().hex
    run_dir.mkdir(parents=True)
    holder = subprocess.Popen(  # noqa: ASYNC220  nothing else runs in this loop
        [sys.executable, "-c", _HOLDER, str(run_dir)], stdout=subprocess.PIPE, start_new_session=True
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"holds\n"
        await work.recover([])

        assert holder.wait(10) == -9
        assert not run_dir.exists()
    finally:
        holder.kill()
        holder.communicate()
