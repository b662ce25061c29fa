"""How far probabilities are from what happens."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

BINS = 15
"""Of P(tumor), equally wide."""


@dataclass(frozen=True, slots=True)
class CalibrationBins:
    """The bins that hold slices, in the order of their probabilities.

    Attributes:
      bins: int64 (B,), number of the bin, in [0, BINS).
      slices: int64 (B,), how many lie in it.
      probability: float64 (B,), their mean P(tumor).
      tumor_share: float64 (B,), share of tumors among them.
    """

    bins: NDArray[np.int64]
    slices: NDArray[np.int64]
    probability: NDArray[np.float64]
    tumor_share: NDArray[np.float64]


def calibration_bins(probabilities: NDArray[Any], truth: NDArray[np.bool_]) -> CalibrationBins:
    """Compares P(tumor), (N,), with the share of tumors, bin by bin.

    Source: the reliability diagram of DeGroot and Fienberg, "The Comparison and Evaluation of Forecasters" (1983).
    """
    names, members, slices = np.unique(_bins(probabilities), return_inverse=True, return_counts=True)
    probability = np.bincount(members, probabilities) / slices
    return CalibrationBins(names, slices.astype(np.int64), probability, np.bincount(members, truth) / slices)


def expected_calibration_errors(
    probabilities: NDArray[Any], truth: NDArray[np.bool_], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Returns the mean distance between P(tumor) and share of tumors over the bins, weighed by their slices.

    Args:
      probabilities: (N,), P(tumor).
      truth: (N,), whether there is a tumor.
      weights: (rows, N), how often each slice counts.

    Returns:
      float64 (rows,), in [0, 1].

    Source: ECE of Naeini et al., "Obtaining Well Calibrated Probabilities Using Bayesian Binning" (2015), with bins
      of P(tumor) instead of the confidence, since P(tumor) is what callers get.
    """
    excess = np.zeros((len(truth), BINS))
    excess[np.arange(len(truth)), _bins(probabilities)] = probabilities - truth
    return np.asarray(np.abs(weights @ excess).sum(axis=1) / weights.sum(axis=1))


def brier_scores(
    probabilities: NDArray[Any], truth: NDArray[np.bool_], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Returns the mean squared distance between P(tumor) and the truth, float64 (rows,); arguments as above.

    Source: Brier, "Verification of Forecasts Expressed in Terms of Probability" (1950), for one of two classes.
    """
    return np.asarray(weights @ (probabilities - truth) ** 2 / weights.sum(axis=1))


def _bins(probabilities: NDArray[Any]) -> NDArray[np.int64]:
    return np.asarray(np.clip(np.nan_to_num(probabilities) * BINS, 0, BINS - 1), np.int64)
