"""Figures of an epoch and of a version. Without TensorFlow, so that the daemon can hold them."""

from dataclasses import dataclass


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

    examples: int
    accuracy: float
    auc: float
    sensitivity: float
    specificity: float
    true_positives: int
    false_positives: int
    true_negatives: int
    false_negatives: int
