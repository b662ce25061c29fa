"""How well the labels can be told without looking at any lesion."""

import numpy as np
from numpy.typing import NDArray

from gateway.imaging import ImageArray
from trainer.dataset import Split
from trainer.roc import area_under_roc

BRAIN_AREA, BRIGHTNESS = "brain area", "mean brightness of the brain"

_BACKGROUND = 15
"""Largest grey level that JPEG leaves around a brain."""


def shortcuts(split: Split) -> dict[str, float]:
    """Measures two properties of a slice that say where it was cut and how it was recorded, not whether it is ill.

    Returns:
      For each the area under the ROC curve, in [0.5, 1], as if it alone were the score, whichever way it points;
      nothing where the split lacks a label.
    """
    truth = split.labels == 1
    if truth.all() or not truth.any():
        return {}
    properties = np.array([_properties(image) for image in split.images])
    return {
        name: _either_way(area_under_roc(properties[:, column], truth))
        for column, name in enumerate((BRAIN_AREA, BRIGHTNESS))
    }


def _properties(image: ImageArray) -> tuple[float, float]:
    grey: NDArray[np.float64] = np.asarray(image, np.float64).mean(axis=-1)
    brain = grey > _BACKGROUND
    return float(brain.mean()), float(grey[brain].mean()) if brain.any() else 0.0


def _either_way(area: float) -> float:
    return max(area, 1 - area)
