"""Figures with the intervals in which they would lie on other slices like these."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainer.bootstrap import RESAMPLES, Sampled, bootstrap
from trainer.report.answers import Answers

SHARE = 0.95
"""Of the resamples that lie between the bounds."""

_DIGITS = 4
"""Of a figure as it is told. Where resamples agree to these no interval is given: on few slices they cannot differ, and
an interval without width would read as certainty."""

METHOD = f"{RESAMPLES:,} resamples of whole near-duplicate groups"


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure and its interval.

    Attributes:
      value: not-a-number where the split gives it no meaning.
      low: not-a-number there, and where the resamples agree.
      high: alike.
    """

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, values: NDArray[np.float64]) -> "Figure":
        """Takes values as bootstrap returns them."""
        sampled = Sampled.of(values)
        if len(sampled.resampled):
            low, high = sampled.interval(SHARE)
            if round(low, _DIGITS) < round(high, _DIGITS):
                return cls(sampled.value, low, high)
        return cls(sampled.value, math.nan, math.nan)


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured on the test split.

    Attributes:
      figures: of the new version, by name; see bootstrap.FIGURES.
      others: the same of each version or network that it is compared with, by its name.
      gains: the new version's figures less theirs, on the same resamples.
    """

    figures: Mapping[str, Figure]
    others: Mapping[str, Mapping[str, Figure]]
    gains: Mapping[str, Mapping[str, Figure]]


def measure(answers: Answers, seed: int) -> Measured:
    """Measures a version and those that it is compared with; the same seed gives the same intervals."""
    own, *others = bootstrap([answers.outputs, *answers.comparisons.values()], answers.split, seed)
    named = dict(zip(answers.comparisons, others, strict=True))
    gains = {name: {key: own[key] - sampled[key] for key in own} for name, sampled in named.items()}
    return Measured(
        figures=_figures(own),
        others={name: _figures(sampled) for name, sampled in named.items()},
        gains={name: _figures(gained) for name, gained in gains.items()},
    )


def _figures(sampled: Mapping[str, NDArray[Any]]) -> dict[str, Figure]:
    return {name: Figure.of(values) for name, values in sampled.items()}
