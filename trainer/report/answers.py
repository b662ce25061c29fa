"""What a report is made from, beside the training itself."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from trainer.dataset import DatasetSummary, Split
from trainer.evaluate import Outputs


@dataclass(frozen=True, slots=True)
class Answers:
    """A network's answers to the test split, and those of others.

    Attributes:
      split: the untouched test split, N slices.
      outputs: `probabilities` (N, 2), `label` (N,), `reliability` (N,), `ood_score` (N,).
      comparisons: outputs of versions or networks to compare with, by a name for people; best known first.
      dataset: counts of the data set; None where they were not kept.
      with_pictures: whether slices may be shown.
    """

    split: Split
    outputs: Outputs
    comparisons: Mapping[str, Outputs] = field(default_factory=dict)
    dataset: DatasetSummary | None = None
    with_pictures: bool = True

    @property
    def truth(self) -> NDArray[np.bool_]:
        """Whether each slice holds a tumor, (N,)."""
        return np.asarray(self.split.labels == 1)

    @property
    def called(self) -> NDArray[np.bool_]:
        """Whether each slice was called Tumor, (N,)."""
        return np.asarray(self.outputs["label"] == 1)

    @property
    def probabilities(self) -> NDArray[np.float64]:
        """P(tumor) of each slice, (N,)."""
        return self.outputs["probabilities"][:, 1].astype(np.float64)

    @property
    def has_curves(self) -> bool:
        """Whether both labels occur: without that no curve has a meaning."""
        return len(np.unique(self.split.labels)) == 2
