"""Evaluation of published versions, on the stored test split."""

import asyncio

from trainer.errors import ChildError, NpzError, QueueFullError
from trainer.figures import VersionEvaluation
from trainer.jobs.child import run_child
from trainer.jobs.messages import Task
from trainer.rollout.rollout import Rollout
from trainer.settings import TrainerSettings
from trainer.versions import require_version


class Evaluator:
    """Evaluates one version at a time, in a process of its own: the daemon loads no model."""

    def __init__(self, settings: TrainerSettings, rollout: Rollout) -> None:
        self._settings = settings
        self._rollout = rollout
        self._turn = asyncio.Lock()
        self._callers = 0

    async def evaluate(self, version: int) -> VersionEvaluation:
        """Evaluates a version.

        Args:
          version: its number; 0 for the stable one.

        Raises:
          ModelVersionNotFoundError: there is no such version, or there is none any more.
          NpzError: no test split is stored.
          QueueFullError: too many callers wait for their turn.
          ChildError: the version cannot be evaluated; its status and reason are those of the process's own error, such
            as OUT_OF_MEMORY.
          OutOfMemoryError, DiskFullError: the process was killed by a signal that tells of it.
        """
        chosen = self._rollout.chosen(version)
        require_version(self._settings.model_dir, chosen)
        if not self._settings.test_npz.exists():
            raise NpzError("no test split is stored; a retraining job makes one, or python -m trainer build-dataset")
        if self._callers > self._settings.max_queued_jobs:
            raise QueueFullError(f"{self._callers} evaluations are under way or wait; try again later")
        self._callers += 1
        try:
            async with self._turn:
                require_version(self._settings.model_dir, chosen)  # which may have gone while others had their turn
                report = await run_child(Task(version=chosen), None, lambda _: None)
        except ChildError:
            require_version(self._settings.model_dir, chosen)
            raise
        finally:
            self._callers -= 1
        if report.evaluation is None:
            raise AssertionError("a task without an order ends in an evaluation")
        return report.evaluation
