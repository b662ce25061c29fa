"""How far a version vouches for a verdict, as its output `reliability` numbers it, and what came of that."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Reliability(IntEnum):
    """Values are those of the contract's enum."""

    RELIABLE = 1
    UNCERTAIN = 2
    OUT_OF_DOMAIN = 3


@dataclass(frozen=True, slots=True)
class Verdicts:
    """Those of one reliability: on how many slices, and on how many of them they were right."""

    slices: int
    right: int


@dataclass(frozen=True, slots=True)
class Trust:
    """What became of a version's word on labelled slices.

    Attributes:
      verdicts: by reliability.
      coverage: shares of the slices without and with tumor whose true label was open to the conformal prediction;
        not-a-number where there are none.
    """

    verdicts: Mapping[Reliability, Verdicts]
    coverage: tuple[float, float]


def trust(outputs: Mapping[str, NDArray[Any]], labels: NDArray[np.int64], conformal: Sequence[float]) -> Trust:
    """Holds a version's answers against the truth.

    Args:
      outputs: with `probabilities` (N, 2), `label` (N,), `reliability` (N,).
      labels: (N,), 0 or 1.
      conformal: largest 1 - P(class) at which no tumor and tumor stay open.
    """
    improbability = 1 - outputs["probabilities"][np.arange(len(labels)), labels]
    is_open = improbability <= np.asarray(conformal, np.float32)[labels]
    no_tumor, tumor = (
        float(is_open[labels == label].mean()) if (labels == label).any() else np.nan for label in (0, 1)
    )
    return Trust(verdicts(outputs, labels), (no_tumor, tumor))


def verdicts(outputs: Mapping[str, NDArray[Any]], labels: NDArray[np.int64]) -> dict[Reliability, Verdicts]:
    """Counts them by reliability; takes what trust takes."""
    is_right, found = outputs["label"] == labels, {}
    for kind in Reliability:
        of_kind = outputs["reliability"] == kind
        found[kind] = Verdicts(int(of_kind.sum()), int(is_right[of_kind].sum()))
    return found
