"""The model card: what a version is, what it was made from, and how far it can be trusted."""

import datetime
import importlib.metadata
import math
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from trainer.bootstrap import BRIER, ECE
from trainer.calibration_error import BINS
from trainer.data.split import VALIDATION_SHARE
from trainer.figures import Evaluation
from trainer.pretrained.trunk import ORIGIN
from trainer.reliability import Trust
from trainer.report.intervals import METHOD, SHARE, Figure
from trainer.train import Training
from trainer.training.calibration import COVERAGE, CRITIC_SHARE, IN_DOMAIN_SHARE, LEAST_ODDS

INTENDED_USE = (
    "Research and engineering on skull-stripped, axial brain MRI slices like those of the training data. "
    "Not a medical device."
)

LIMITS = (
    "Near-duplicate slices are kept on one side of each split, others of one patient need not be: "
    "figures are near-duplicate-grouped, not patient-level.",
    "Labels are taken as they are: the network learns from wrong ones, and the figures count them as right.",
    "A verdict may rest on slice position and contrast instead of a lesion: see the known shortcuts.",
    "The figures say nothing of sequences, planes and scanners that the training data lacks.",
    "What a window has made white is lost, a tumor with it: No Tumor is uncertain beyond the saturation limit.",
    "A heatmap shows what raised the odds of a tumor, and does not locate a lesion: small ones it often misses.",
)
"""Of every version, whatever it was trained on."""

_PACKAGES = ("tensorflow", "tensorflow-cpu", "keras", "numpy", "pillow", "scipy", "pandas")


@dataclass(frozen=True, slots=True)
class DataSource:
    """Where the training data comes from.

    Attributes:
      name: title, author and place, or a DOI.
      licence: of the data.
    """

    name: str
    licence: str


@dataclass(frozen=True, slots=True)
class Approval:
    """How a job came to publish a version.

    Attributes:
      operation_id: of the job.
      blessed: whether the gate let it pass; where not, the job was told to publish in any case.
      reasons: why the gate refused.
    """

    operation_id: str
    blessed: bool
    reasons: tuple[str, ...]


def model_card(
    version: int,
    lineage: Sequence[int],
    training: Training,
    evaluation: Evaluation,
    figures: Mapping[str, Figure],
    trust: Trust,
    shortcuts: Mapping[str, float],
    source: DataSource,
    approval: Approval | None = None,
) -> dict[str, Any]:
    """Makes the content of model_card.json; every value is JSON.

    Args:
      version: its number.
      lineage: the version that was stable before it, the one that was stable before that, and so on.
      training: how it was trained.
      evaluation: on the test split.
      figures: the same and more, with their intervals.
      trust: what became of its word on the same slices.
      shortcuts: what else tells the labels of the test split apart, and with which area under the ROC curve.
      source: of the training data.
      approval: by a job; None where a person published it.
    """
    kept = training.history[training.kept_epoch]
    card = {
        "model_version": version,
        "parent_version": lineage[0] if lineage else 0,
        "lineage": list(lineage),
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "intended_use": INTENDED_USE,
        "architecture": training.architecture,
        "network_of_version": training.network_of_version or version,
        "parameters": training.parameters,
        "training_data": asdict(source) | {"fingerprint": training.fingerprint},
        "pretrained_weights": [ORIGIN],
        "split": _split(training, evaluation),
        "seed": training.seed,
        "epochs": 0 if training.network_of_version else len(training.history),
        "metrics": {"kept_epoch": asdict(kept), "test": asdict(evaluation)} | _with_intervals(figures) | _trust(trust),
        "verdict": _verdict(training),
        "limits": list(LIMITS),
        "known_shortcuts": [_shortcut(name, area) for name, area in shortcuts.items()],
        "gate": None,
        "packages": _installed(),
    }
    if approval is not None:
        card["operation_id"] = approval.operation_id
        card["gate"] = {"blessed": approval.blessed, "forced": not approval.blessed, "reasons": list(approval.reasons)}
    return card


def _split(training: Training, evaluation: Evaluation) -> dict[str, Any]:
    return {
        "method": "near-duplicate-grouped: average linkage of perceptual hashes, whole groups held out",
        "train_slices": training.train_slices,
        "validation_slices": training.validation_slices,
        "validation_share_of_groups": VALIDATION_SHARE,
        "test_slices": evaluation.examples,
    }


def _verdict(training: Training) -> dict[str, Any]:
    return {
        "temperature": training.temperature,
        "threshold": training.threshold,
        "conformal_coverage": COVERAGE,
        "conformal_limits": {"No Tumor": training.conformal[0], "Tumor": training.conformal[1]},
        "least_odds": LEAST_ODDS,
        "in_domain_share": IN_DOMAIN_SHARE,
        "critic_share": CRITIC_SHARE,
        "saturation_limit": training.saturation_limit,
    }


def _trust(trust: Trust) -> dict[str, Any]:
    no_tumor, tumor = map(_json, trust.coverage)
    return {
        "verdicts": {kind.name: asdict(found) for kind, found in trust.verdicts.items()},
        "coverage": {"No Tumor": no_tumor, "Tumor": tumor},
    }


def _with_intervals(figures: Mapping[str, Figure]) -> dict[str, Any]:
    bounds = {name: [_json(figure.low), _json(figure.high)] for name, figure in figures.items()}
    return {
        "calibration": {"ece": _json(figures[ECE].value), "bins": BINS, "brier_score": _json(figures[BRIER].value)},
        "intervals": {"share": SHARE, "method": METHOD, "bounds": bounds},
    }


def _json(value: float) -> float | None:
    """JSON has no word for what is not a number."""
    return value if math.isfinite(value) else None


def _shortcut(name: str, area: float) -> dict[str, Any]:
    meaning = f"alone it tells the labels of the test split apart with an AUC of {area:.2f}"
    return {"name": name, "auc": area, "meaning": meaning}


def _installed() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
