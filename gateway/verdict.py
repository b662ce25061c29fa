"""From a row of the model's outputs to a verdict."""

import math
from dataclasses import dataclass
from enum import IntEnum
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gateway.backend.batcher import Row
from gateway.errors import ModelFailedError

_TUMOR = 1
_LABELS = "No Tumor", "Tumor"
_THRESHOLD = 0.5


class Reliability(IntEnum):
    """How far a verdict can be relied upon; the values are those of the contract's enum and of the model's output."""

    RELIABLE = 1
    UNCERTAIN = 2
    OUT_OF_DOMAIN = 3


KINDS = tuple(product(_LABELS, (reliability.name for reliability in Reliability)))
"""All pairs of a verdict's label and the name of its reliability."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the model says of one slice."""

    tumor: bool
    """By the version's own threshold."""
    probability: float
    """Calibrated P(tumor), in [0, 1], whatever `tumor` says."""
    reliability: Reliability
    ood_score: float
    """Distance from the training data, in the version's own unit."""

    @property
    def label(self) -> str:
        """The class as the contract names it."""
        return _LABELS[self.tumor]


def read_verdict(row: Row) -> Verdict:
    """Reads the outputs of `serving_default` or `explain` for one image.

    Only `probabilities` is required. A version without `label` is read at the threshold 0.5; one without
    `reliability` vouches for nothing, so its verdicts are UNCERTAIN; one without `ood_score` has 0.

    Args:
      row: `probabilities` float (2,), `label` 0 or 1, `reliability` and finite `ood_score` scalars.

    Raises:
      ModelFailedError: these are no outputs of a classifier of tumors.
    """
    try:
        probability = _probability(np.asarray(row["probabilities"]))
        tumor = _is_tumor(int(row["label"])) if "label" in row else probability >= _THRESHOLD
        reliability = Reliability(int(row.get("reliability", Reliability.UNCERTAIN)))
        ood_score = float(row.get("ood_score", 0.0))
    except (KeyError, TypeError, ValueError, OverflowError) as err:
        raise ModelFailedError("The model's outputs are no verdict.") from err
    if not 0 <= probability <= 1:
        raise ModelFailedError("The model's probability is not in [0, 1].")
    if not math.isfinite(ood_score):
        raise ModelFailedError("The model's distance from the training slices is no number.")
    return Verdict(tumor, probability, reliability, ood_score)


def _is_tumor(label: int) -> bool:
    if label not in range(len(_LABELS)):
        raise ValueError(f"{label} is no class")
    return label == _TUMOR


def _probability(probabilities: NDArray[Any]) -> float:
    if probabilities.shape != (2,) or probabilities.dtype.kind != "f":
        raise ValueError(f"{probabilities.dtype} {probabilities.shape} are no probabilities of two classes")
    return float(probabilities[_TUMOR])
