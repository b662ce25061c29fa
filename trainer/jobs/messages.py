"""What a job's process is told on stdin, and what it tells on stdout: lines of JSON."""

from dataclasses import dataclass

from pydantic import TypeAdapter

from trainer.figures import VersionEvaluation
from trainer.jobs.operation import Failure, Order, Outcome, Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What to do: retrain as an order says, or, without one, evaluate a version.

    Attributes:
      order: what to train.
      operation_id: of the job.
      version: to evaluate.
    """

    order: Order | None = None
    operation_id: str = ""
    version: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One of these; all but progress end the process."""

    progress: Progress | None = None
    outcome: Outcome | None = None
    evaluation: VersionEvaluation | None = None
    failure: Failure | None = None


TASK, REPORT = TypeAdapter(Task), TypeAdapter(Report)
"""To and from JSON."""
