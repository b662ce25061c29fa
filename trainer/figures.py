"""Figures of an epoch and of a version. Without TensorFlow, so that the daemon can hold them."""

from dataclasses import dataclass
from typing import Annotated, TypeAlias

from pydantic import Field

_Count: TypeAlias = Annotated[int, Field(ge=0, lt=2**63)]
"""What a message can tell."""


def precision_recall_f1(true: int, false: int, missed: int) -> tuple[float, float, float]:
    """Returns the figures of a class, from how many were called so rightly, wrongly, or not at all; see `ratio`."""
    return ratio(true, true + false), ratio(true, true + missed), ratio(2 * true, 2 * true + false + missed)


def ratio(part: float, whole: float) -> float:
    """Returns what a part is of the whole; 0 where there is nothing to divide by."""
    return part / whole if whole else 0.0


@dataclass(frozen=True, slots=True)
class EpochMetrics:
    """Figures of one epoch: losses, and accuracies in [0, 1]."""

    loss: float
    accuracy: float
    val_loss: float
    val_accuracy: float


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Figures at the version's own threshold; positive is tumor."""

    examples: _Count
    accuracy: float
    auc: float
    sensitivity: float
    specificity: float
    true_positives: _Count
    false_positives: _Count
    true_negatives: _Count
    false_negatives: _Count


@dataclass(frozen=True, slots=True)
class VersionEvaluation:
    """A published version, measured once more.

    Attributes:
      version: its number.
      figures: on the test split that is stored now, which need not be its own.
      seen_in_training: how many of these slices it was fitted to; 0 where it came without hashes of those.
    """

    version: int
    figures: Evaluation
    seen_in_training: int
