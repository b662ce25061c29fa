"""Decides whether a trained network may become a version.

Two questions, on the untouched test split: is it good enough, and is it no worse than the stable version? The
second is asked slice by slice, since two networks err on much the same slices: their difference is far more
certain than either figure. Near-duplicate slices are no independent evidence, so whole groups are resampled.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainer.bootstrap import ACCURACY, AUC, SENSITIVITY, Sampled, bootstrap
from trainer.dataset import Split
from trainer.settings import TrainerSettings
from trainer.split import TEST_SHARE

_INTERVAL = 0.9
"""Share of resamples between the bounds that are told. Above the upper one lies 1 in 20: that a difference is
below it holds with 95 % confidence."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """What a version must reach.

    Attributes:
      min_test_slices: least number of slices of each label on which it is measured.
      min_accuracy: least accuracy.
      min_auc: least area under the ROC curve.
      min_sensitivity: least share of tumors that are called.
      tolerated_accuracy_drop: by how much it may be worse than the stable version.
      tolerated_auc_drop: the same for the area under the ROC curve.
      tolerated_sensitivity_drop: the same for sensitivity.
    """

    min_test_slices: int = 20
    min_accuracy: float = 0.9
    min_auc: float = 0.95
    min_sensitivity: float = 0.9
    tolerated_accuracy_drop: float = 0.01
    tolerated_auc_drop: float = 0.005
    tolerated_sensitivity_drop: float = 0.02

    @classmethod
    def from_settings(cls, settings: TrainerSettings) -> "Thresholds":
        """Takes each from the setting of its name."""
        return cls(**{threshold.name: getattr(settings, threshold.name) for threshold in fields(cls)})

    @property
    def least(self) -> dict[str, float]:
        """Least value of each figure."""
        return {ACCURACY: self.min_accuracy, AUC: self.min_auc, SENSITIVITY: self.min_sensitivity}

    @property
    def tolerated_drop(self) -> dict[str, float]:
        """Loss of each figure that is tolerated."""
        return {
            ACCURACY: self.tolerated_accuracy_drop,
            AUC: self.tolerated_auc_drop,
            SENSITIVITY: self.tolerated_sensitivity_drop,
        }


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a network may become a version, and if not, why: a sentence for each reason."""

    blessed: bool
    reasons: tuple[str, ...]


def gate(
    candidate_outputs: Mapping[str, NDArray[Any]],
    stable_outputs: Mapping[str, NDArray[Any]] | None,
    split: Split,
    thresholds: Thresholds,
    seed: int,
) -> Decision:
    """Holds a candidate against thresholds and against the stable version.

    It is refused where it is measured on too few slices, where a figure is below its least value, or where it is
    with 95 % confidence lower than the stable version's by more than what is tolerated.

    Args:
      candidate_outputs: of predict_split, with `probabilities` (N, 2), which `evaluate` has taken, and `label` (N,).
      stable_outputs: the stable version's on the same split; None where there is none.
      split: the untouched test split.
      thresholds: what is asked for.
      seed: of the resamples; the same seed gives the same decision.
    """
    without, tumors = np.bincount(split.labels, minlength=2)
    if not without or not tumors:
        return _refused("the test split lacks slices of one label, so nothing can be measured")
    networks = [candidate_outputs] if stable_outputs is None else [candidate_outputs, stable_outputs]
    candidate, *stable = bootstrap(networks, split, seed)
    reasons = [_below(name, Sampled.of(candidate[name]), least) for name, least in thresholds.least.items()]
    if min(without, tumors) < thresholds.min_test_slices:
        reasons.append(
            f"the test split has {tumors} slices with a tumor and {without} without, "
            f"and fewer than {thresholds.min_test_slices} of either show nothing; "
            f"add slices, of which about 1 group of near-duplicates in {1 / TEST_SHARE:.0f} is held out to test on"
        )
    for other in stable:
        reasons += [
            _worse(name, Sampled.of(candidate[name]), Sampled.of(candidate[name] - other[name]), drop)
            for name, drop in thresholds.tolerated_drop.items()
        ]
    return _refused(*filter(None, reasons)) if any(reasons) else Decision(True, ())


def _refused(*reasons: str) -> Decision:
    return Decision(False, reasons)


def _below(name: str, figure: Sampled, least: float) -> str:
    if figure.value >= least:
        return ""
    low, high = figure.interval(_INTERVAL)
    return f"{name} is {figure.value:.4f} (90 % interval {low:.4f} to {high:.4f}), below the least of {least:.4f}"


def _worse(name: str, figure: Sampled, gain: Sampled, tolerated_drop: float) -> str:
    low, high = gain.interval(_INTERVAL)
    if high >= -tolerated_drop:
        return ""
    return (
        f"{name} is {figure.value:.4f}, {-gain.value:.4f} lower than the stable version's "
        f"(90 % interval {-high:.4f} to {-low:.4f}), more than the tolerated {tolerated_drop:.4f}"
    )
