"""A retraining job from the daemon's side: the process that makes a version, and the rollout of what it made."""

import asyncio
from collections.abc import Callable, Collection

from trainer.durable import remove_copies
from trainer.errors import DiskFullError, ServingUnavailableError, TrainerError
from trainer.jobs import run_directory
from trainer.jobs.child import run_child
from trainer.jobs.messages import Task
from trainer.jobs.operation import Operation, Outcome, Progress
from trainer.rollout.rollout import Rollout
from trainer.settings import TrainerSettings
from trainer.versions import published_by, remove_unfinished, unfinished_dir


class Retraining:
    """Does jobs, undoes them and clears up after them. All of it can be broken off anywhere and done again."""

    def __init__(self, settings: TrainerSettings, rollout: Rollout) -> None:
        self._settings = settings
        self._rollout = rollout

    async def do(self, operation: Operation, note: Callable[[Progress], None]) -> Outcome:
        """Makes a version, and makes it the stable one.

        Args:
          operation: a new one, or one that was broken off: it goes on with the first step that left no record.
          note: called with each progress that is beyond what the operation has reached.

        Raises:
          TrainerError: the job fails, and this is why.
        """
        run_dir = self._settings.runs_dir / operation.operation_id
        run_dir.mkdir(parents=True, exist_ok=True)
        task = Task(order=operation.order, operation_id=operation.operation_id)

        def note_if_further(progress: Progress) -> None:
            if progress.fraction >= operation.progress.fraction:
                note(progress)

        log_path = run_dir / run_directory.LOG
        with log_path.open("ab") as log:
            try:
                report = await run_child(task, log, note_if_further)
            except TrainerError as err:
                if log_path.exists():
                    raise
                told = "its directory under runs/ was removed while it ran, and its log with it; order the job again"
                raise TrainerError(told) from err
        if report.outcome is None:
            raise AssertionError("a task with an order ends in an outcome")
        version = report.outcome.version
        if version and version != self._rollout.state.previous:  # else it was stable, and somebody went back
            await self._roll_out(version)
        return report.outcome

    async def _roll_out(self, version: int) -> None:
        try:
            await self._rollout.roll_out(version)
        except ServingUnavailableError as err:
            raise ServingUnavailableError(
                f"version {version} is written and passes, but serving was away when it should take it over; "
                f"promote version {version} when it is back"
            ) from err
        except DiskFullError as err:
            raise DiskFullError(
                f"version {version} is written and passes, but no space was left to tell serving of it; "
                f"promote version {version} when there is some"
            ) from err

    async def recover(self, operations: Collection[Operation]) -> None:
        """Clears up after a daemon that was killed. To be called before anything else.

        Args:
          operations: all that there are.

        Raises:
          TrainerError: a process of a job that was broken off does not end, or files cannot be written.
        """
        await asyncio.to_thread(self._sweep, {operation.operation_id: operation for operation in operations})
        await self._rollout.recover()

    def _sweep(self, operations: dict[str, Operation]) -> None:
        settings = self._settings
        for run_dir in run_directory.of_jobs(settings.runs_dir):
            run_directory.evict(run_dir)
            operation = operations.get(run_dir.name)
            if operation is None:
                run_directory.remove(run_dir)
            elif operation.state.is_final:
                run_directory.prune(run_dir)
        going_on = {operation.operation_id for operation in operations.values() if not operation.state.is_final}
        remove_unfinished(settings.model_dir, going_on)
        data_dirs = {settings.data_root / operation.order.data_dir for operation in operations.values()}
        for directory in {*data_dirs, settings.train_npz.parent, settings.test_npz.parent}:
            remove_copies(directory)

    async def undo(self, operation: Operation) -> bool:
        """Takes back what a cancelled job has published; False where serving holds it, or may hold it, already."""
        version = await asyncio.to_thread(published_by, self._settings.model_dir, operation.operation_id)
        return not version or await self._rollout.withdraw(version)

    async def clear(self, operation: Operation, *, completely: bool) -> None:
        """Removes what a job leaves that has ended: all but log and curves, or those as well."""
        run_dir = self._settings.runs_dir / operation.operation_id
        unfinished = unfinished_dir(self._settings.model_dir, operation.operation_id)
        await asyncio.to_thread(run_directory.remove, unfinished)
        await asyncio.to_thread(run_directory.remove if completely else run_directory.prune, run_dir)
