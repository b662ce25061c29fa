"""The area under the ROC curve."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def area_under_roc(scores: NDArray[Any], truth: NDArray[np.bool_]) -> float:
    """Returns the chance that a tumor scores above a tumor-free slice: the Mann-Whitney statistic, ties half."""
    return float(areas_under_roc(scores, truth, np.ones((1, len(scores))))[0])


def areas_under_roc(
    scores: NDArray[Any], truth: NDArray[np.bool_], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Returns the same for each row of weights (rows, N); not-a-number where one lacks a label."""
    order = np.argsort(scores)
    scores, truth, weights = scores[order], truth[order], weights[:, order]
    healthy_before = np.pad(np.cumsum(weights * ~truth, axis=1), ((0, 0), (1, 0)))
    lower, not_higher = np.searchsorted(scores, scores, "left"), np.searchsorted(scores, scores, "right")
    won = (healthy_before[:, lower] + healthy_before[:, not_higher]) / 2
    pairs = (weights @ truth) * (weights @ ~truth)
    return np.asarray((won * weights) @ truth / pairs)
