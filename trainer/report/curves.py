"""Curves of a verdict over all thresholds. Scores are finite, and positive is tumor."""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Curve: TypeAlias = tuple[NDArray[np.float64], NDArray[np.float64]]
"""x and y, each (K,)."""


def roc_curve(scores: NDArray[Any], truth: NDArray[np.bool_]) -> Curve:
    """Returns 1 - specificity, ascending from 0 to 1, and sensitivity.

    Args:
      scores: (N,), the higher the more likely a tumor. Equal scores are called together.
      truth: (N,), both values among them.

    Source: Fawcett, "An introduction to ROC analysis" (2006), algorithm 1.
    """
    positives, negatives = _called(scores, truth)
    return _from(0.0, negatives / negatives[-1]), _from(0.0, positives / positives[-1])


def precision_recall_curve(scores: NDArray[Any], truth: NDArray[np.bool_]) -> Curve:
    """Returns recall, ascending from 0 to 1, and precision; arguments as of roc_curve.

    At recall 0, where nothing is called, precision is that of the highest score.
    """
    positives, negatives = _called(scores, truth)
    precision = positives / (positives + negatives)
    return _from(0.0, positives / positives[-1]), _from(precision[0], precision)


def average_precision(curve: Curve) -> float:
    """Returns the mean precision over the recalls of a precision_recall_curve.

    Source: the sum of precision times gain in recall, as in Manning et al., "Introduction to Information Retrieval"
      (2008), section 8.4; nothing is interpolated.
    """
    recall, precision = curve
    return float((np.diff(recall) * precision[1:]).sum())


def risk_coverage_curve(confidence: NDArray[Any], wrong: NDArray[np.bool_]) -> Curve:
    """Returns which share of slices is answered, ascending to 1, and which share of these answers is wrong.

    Args:
      confidence: (N,), of the answer that was given. Those below a limit are left unanswered.
      wrong: (N,), whether that answer was wrong.

    Source: El-Yaniv and Wiener, "On the Foundations of Noise-free Selective Classification" (2010).
    """
    errors, successes = _called(confidence, wrong)
    answered = errors + successes
    return answered / len(wrong), errors / answered


def _called(scores: NDArray[Any], truth: NDArray[np.bool_]) -> Curve:
    """Counts true and false ones among the slices from each distinct score on upwards, highest score first."""
    order = np.argsort(-scores, kind="stable")
    is_last_of_score = np.append(np.diff(scores[order]) != 0, True)
    true = np.cumsum(truth[order])[is_last_of_score].astype(np.float64)
    return true, np.flatnonzero(is_last_of_score) + 1 - true


def _from(first: float, values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.concatenate([[first], values])
