"""Decides whether a trained network may become a version.

Two questions, on the untouched test split: is it good enough, and is it no worse than the stable version? The
second is asked slice by slice, since two networks err on much the same slices: their difference is far more
certain than either figure. Near-duplicate slices are no independent evidence, so whole groups are resampled.
"""

from dataclasses import dataclass

import numpy as np

from trainer.bootstrap import ACCURACY, AUC, SENSITIVITY, Sampled, bootstrap
from trainer.data.split import TEST_SHARE
from trainer.dataset import Split
from trainer.evaluate import Outputs
from trainer.settings import TrainerSettings

_INTERVAL = 0.9
"""Share of resamples between the bounds that are told. Above the upper one lies 1 in 20: that a difference is
below it holds with 95 % confidence."""


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a network may become a version, and if not, why: a sentence for each reason."""

    blessed: bool
    reasons: tuple[str, ...]


def gate(
    candidate_outputs: Outputs,
    stable_outputs: Outputs | None,
    split: Split,
    settings: TrainerSettings,
    seed: int,
) -> Decision:
    """Holds a candidate against the settings' thresholds and against the stable version.

    It is refused where it is measured on too few slices, where a figure is below its least value, or where it is
    with 95 % confidence lower than the stable version's by more than what is tolerated.

    Args:
      candidate_outputs: of predict_images, with `probabilities` (N, 2), which `evaluate` has taken, and `label` (N,).
      stable_outputs: the stable version's on the same split; None where there is none.
      split: the untouched test split.
      settings: what is asked for, and what loss is tolerated.
      seed: of the resamples; the same seed gives the same decision.
    """
    without, tumors = np.bincount(split.labels, minlength=2)
    if not without or not tumors:
        return _refused("the test split lacks slices of one label, so nothing can be measured")
    networks = [candidate_outputs] if stable_outputs is None else [candidate_outputs, stable_outputs]
    candidate, *stable = bootstrap(networks, split, seed)
    least = {ACCURACY: settings.min_accuracy, AUC: settings.min_auc, SENSITIVITY: settings.min_sensitivity}
    reasons = [_below(name, Sampled.of(candidate[name]), value) for name, value in least.items()]
    reasons.append(_too_few(without, tumors, settings.min_test_slices))
    tolerated_drop = {
        ACCURACY: settings.tolerated_accuracy_drop,
        AUC: settings.tolerated_auc_drop,
        SENSITIVITY: settings.tolerated_sensitivity_drop,
    }
    for other in stable:
        reasons += [
            _worse(name, Sampled.of(candidate[name]), Sampled.of(candidate[name] - other[name]), drop)
            for name, drop in tolerated_drop.items()
        ]
    return _refused(*filter(None, reasons)) if any(reasons) else Decision(True, ())


def _refused(*reasons: str) -> Decision:
    return Decision(False, reasons)


def _below(name: str, figure: Sampled, least: float) -> str:
    if figure.value >= least:
        return ""
    low, high = figure.interval(_INTERVAL)
    return f"{name} is {figure.value:.4f} (90 % interval {low:.4f} to {high:.4f}), below the least of {least:.4f}"


def _too_few(without: int, tumors: int, least: int) -> str:
    if min(without, tumors) >= least:
        return ""
    return (
        f"the test split has {tumors} slices with a tumor and {without} without, "
        f"and fewer than {least} of either show nothing; "
        f"add slices, of which about 1 group of near-duplicates in {1 / TEST_SHARE:.0f} is held out to test on"
    )


def _worse(name: str, figure: Sampled, gain: Sampled, tolerated_drop: float) -> str:
    low, high = gain.interval(_INTERVAL)
    if high >= -tolerated_drop:
        return ""
    return (
        f"{name} is {figure.value:.4f}, {-gain.value:.4f} lower than the stable version's "
        f"(90 % interval {-high:.4f} to {-low:.4f}), more than the tolerated {tolerated_drop:.4f}"
    )
