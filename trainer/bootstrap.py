"""Figures of networks on one split, and on resamples of its near-duplicate groups."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainer.calibration_error import brier_scores, expected_calibration_errors
from trainer.dataset import Split
from trainer.evaluate import Outputs
from trainer.roc import areas_under_roc

RESAMPLES = 1000
ACCURACY, AUC, SENSITIVITY, SPECIFICITY = "accuracy", "AUC", "sensitivity", "specificity"
ECE, BRIER = "ECE", "Brier score"
FIGURES = (ACCURACY, AUC, SENSITIVITY, SPECIFICITY, ECE, BRIER)

_BLOCK_VALUES = 2_000_000
"""Resamples times slices that are worked on at a time: arrays of 16 MB."""


@dataclass(frozen=True, slots=True)
class Sampled:
    """A figure of the split and of its resamples.

    Attributes:
      value: on the split.
      resampled: float64 (R,), on the resamples; those that lack a label, where it has no meaning, are left out.
    """

    value: float
    resampled: NDArray[np.float64]

    @classmethod
    def of(cls, values: NDArray[np.float64]) -> "Sampled":
        """Takes the value on the split first, then those on the resamples."""
        return cls(float(values[0]), values[1:][np.isfinite(values[1:])])

    def interval(self, share: float) -> tuple[float, float]:
        """Returns the bounds between which the middle share of the resamples lies: the percentile interval."""
        low, high = np.quantile(self.resampled, [(1 - share) / 2, (1 + share) / 2])
        return float(low), float(high)


def bootstrap(networks: Sequence[Outputs], split: Split, seed: int) -> list[dict[str, NDArray[np.float64]]]:
    """Measures networks on the same resamples, so that their figures can be subtracted.

    Args:
      networks: outputs of predict_images, each with `probabilities` (N, 2) and `label` (N,).
      split: N slices of both labels.
      seed: the same seed draws the same resamples.

    Returns:
      For each network each of FIGURES, float64 (1 + RESAMPLES,): the first on the split itself, then on each
      resample, not-a-number where it lacks a label.

    Source: bootstrap over clusters: Davison and Hinkley, "Bootstrap Methods and their Application" (1997), 3.8.
    """
    measured: list[list[NDArray[np.float64]]] = [[] for _ in networks]
    for weights in _weights(split.groups, seed):
        for parts, outputs in zip(measured, networks, strict=True):
            parts.append(_figures(outputs, split.labels == 1, weights))
    joined = (np.concatenate(parts, axis=1) for parts in measured)
    return [dict(zip(FIGURES, figures, strict=True)) for figures in joined]


def _weights(groups: NDArray[np.int64], seed: int) -> Iterator[NDArray[np.float64]]:
    """Yields how often each slice counts, (rows, N): once in the split itself, then as often as its group is drawn."""
    yield np.ones((1, len(groups)))
    names, members = np.unique(groups, return_inverse=True)
    rng = np.random.default_rng(seed)
    rows = max(1, _BLOCK_VALUES // len(groups))
    for done in range(0, RESAMPLES, rows):
        draws = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), min(rows, RESAMPLES - done))
        yield draws[:, members].astype(np.float64)


def _figures(outputs: Outputs, truth: NDArray[np.bool_], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns FIGURES, (len(FIGURES), rows), for slices of these weights (rows, N)."""
    called, probabilities = outputs["label"] == 1, outputs["probabilities"][:, 1].astype(np.float64)
    with np.errstate(invalid="ignore"):
        accuracy = weights @ (called == truth) / weights.sum(axis=1)
        area = areas_under_roc(probabilities, truth, weights)
        sensitivity = weights @ (called & truth) / (weights @ truth)
        specificity = weights @ (~called & ~truth) / (weights @ ~truth)
    error = expected_calibration_errors(probabilities, truth, weights)
    return np.stack([accuracy, area, sensitivity, specificity, error, brier_scores(probabilities, truth, weights)])
