"""A tested network of 24 tiny slices, and an explainer that sees heat in a corner."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from gateway.imaging import InputSpec
from trainer.dataset import DatasetSummary, Split
from trainer.report.answers import Answers


class CornerExplainer:
    """Stands for a Candidate.

    Attributes:
      explained: how many slices it was asked about.
    """

    input_spec = InputSpec(16, 16, 1)

    def __init__(self) -> None:
        self.explained = 0

    def predict(self, images: NDArray[np.uint8], signature: str) -> dict[str, NDArray[Any]]:
        assert signature == "explain"
        assert images.shape[1:] == (16, 16, 1)
        self.explained += len(images)
        heat = np.zeros((len(images), 4, 4), np.float32)
        heat[:, 0, 0] = 1
        return {"heatmap": heat}


@pytest.fixture
def explainer() -> CornerExplainer:
    return CornerExplainer()


def outputs_of(probabilities: NDArray[np.float64]) -> dict[str, NDArray[Any]]:
    """Verdicts at a threshold of one half; the last slice is out of domain, and uncertain are those near it."""
    reliability = np.where(np.abs(probabilities - 0.5) < 0.2, 2, 1)
    reliability[-1] = 3
    return {
        "probabilities": np.stack([1 - probabilities, probabilities], axis=1).astype(np.float32),
        "label": (probabilities >= 0.5).astype(np.int64),
        "reliability": reliability.astype(np.int64),
        "ood_score": np.zeros(len(probabilities), np.float32),
    }


@pytest.fixture
def make_answers() -> Callable[..., Answers]:
    """Makes 24 slices, every other one a tumor, in groups of two, of which the given rows are called wrongly."""

    def make(wrong: tuple[int, ...] = (1, 3, 4), labels: NDArray[np.int64] | None = None, **fields: Any) -> Answers:
        truth = np.arange(24) % 2 if labels is None else labels
        images = np.random.default_rng(0).integers(0, 256, (24, 24, 24, 1), np.uint8)
        called = truth.copy()
        called[list(wrong)] ^= 1
        probabilities = np.where(called == 1, 0.9, 0.1) + np.arange(24) / 1000
        split = Split(images, truth, np.arange(24) // 2, "fingerprint")
        return Answers(split, outputs_of(probabilities), **fields)

    return make


@pytest.fixture
def summary() -> DatasetSummary:
    return DatasetSummary("fingerprint", 96, 40, 24, 12, 60, 5, {"conflicting labels": 2})
