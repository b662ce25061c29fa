"""A retraining job as data: what was asked for, how far it is, how it ended."""

import enum
from dataclasses import dataclass, field
from typing import TypeAlias

from trainer.errors import TrainerError
from trainer.figures import EpochMetrics, Evaluation
from transport.status import brief


class State(enum.StrEnum):
    """Of a job. It ends in exactly one of the last three."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether the job has ended."""
        return self not in UNFINISHED_STATES


UNFINISHED_STATES = (State.QUEUED, State.RUNNING)


class Step(enum.StrEnum):
    """Of a job, in their order."""

    BUILD_DATASET = "build_dataset"
    TRAIN = "train"
    CALIBRATE = "calibrate"
    EVALUATE = "evaluate"
    GATE = "gate"
    PUBLISH = "publish"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is to be trained, and on what. Paths are relative to the data root.

    Attributes:
      image_dir: directory of the images, at any depth, or a zip archive of images and labels.
      target_dir: directory of the label file.
      target_file: name of the label file.
      data_dir: directory to which the data set is written.
      npz_filename: name of its file.
      architecture: key in ARCHITECTURES.
      epochs: passes over the training split, above 0.
      seed: of split, initial weights and augmentation, in [0, 2**32).
      force: publish although the gate says no.
    """

    image_dir: str
    target_dir: str
    target_file: str
    data_dir: str
    npz_filename: str
    architecture: str
    epochs: int
    seed: int
    force: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """The call that a job comes from.

    Attributes:
      request_id: of the call, for logs; not the one in its request.
      traceparent: its place in a trace; empty for none.
    """

    request_id: str = ""
    traceparent: str = ""


UNKNOWN_ORIGIN = Origin()
"""Of jobs that were ordered before origins were kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a job is.

    Attributes:
      step: under way, or the last one; None before the first.
      epoch: epochs finished.
      metrics: of the last finished epoch.
      fraction: of the job that is done, in [0, 1].
    """

    step: Step | None = None
    epoch: int = 0
    metrics: EpochMetrics | None = None
    fraction: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a job that succeeded came to.

    Attributes:
      metrics: of the epoch whose weights were kept.
      evaluation: on the untouched test split.
      version: the new version; 0 where the gate refused.
      blessed: whether the gate let it pass.
      reasons: why the gate refused.
      excluded: how many images were left out of the data set, by why.
    """

    metrics: EpochMetrics
    evaluation: Evaluation
    version: int
    blessed: bool
    reasons: tuple[str, ...] = ()
    excluded: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a job failed.

    Attributes:
      status_code: name of a gRPC status.
      reason: stable UPPER_SNAKE name.
      message: fit for a caller.
      retry_after_s: after how long a retry may help; None where none does, or where an old record does not say.
    """

    status_code: str
    reason: str
    message: str
    retry_after_s: float | None = None

    @classmethod
    def of(cls, error: TrainerError) -> "Failure":
        """Takes what an error tells callers."""
        return cls(
            status_code=error.status_code.name,
            reason=error.reason,
            message=brief(str(error)),
            retry_after_s=error.retry_after_s,
        )


Result: TypeAlias = Outcome | Failure | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """A job. Times are seconds since 1970.

    Attributes:
      operation_id: hex digits; the operation's name ends in it.
      result: Outcome where it succeeded, Failure where it failed, else None.
      attempts: how often it was begun since it last got further, or was left in good order.
    """

    operation_id: str
    order: Order
    state: State
    created_s: float
    progress: Progress = field(default_factory=Progress)
    started_s: float | None = None
    ended_s: float | None = None
    result: Result = None
    origin: Origin = UNKNOWN_ORIGIN
    attempts: int = 0
