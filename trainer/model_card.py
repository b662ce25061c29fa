"""The model card: what a version is, what it was made from, and how far it can be trusted."""

import datetime
import importlib.metadata
from dataclasses import asdict, dataclass
from typing import Any

from trainer.calibration import COVERAGE, IN_DOMAIN_SHARE
from trainer.figures import Evaluation
from trainer.train import VALIDATION_SHARE, Training

INTENDED_USE = "Research and engineering on skull-stripped, axial, FLAIR-like brain MRI slices. Not a medical device."

LIMITS = (
    "Near-duplicate slices are kept on one side of each split, but the data names no patients: "
    "figures are near-duplicate-grouped, not patient-level.",
    "Labels of near-identical slices disagree in some cases, so a few per cent of them are wrong.",
    "Area and mean brightness of the brain alone tell the labels apart with an AUC above 0.8: "
    "a verdict may rest on slice position and contrast.",
    "Other sequences, planes, scanners and pictures with skull were not seen in training.",
)

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
    parent_version: int,
    training: Training,
    evaluation: Evaluation,
    source: DataSource,
    approval: Approval | None = None,
) -> dict[str, Any]:
    """Returns the content of model_card.json; every value is JSON."""
    kept = training.history[training.kept_epoch]
    card = {
        "model_version": version,
        "parent_version": parent_version,
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "intended_use": INTENDED_USE,
        "architecture": training.architecture,
        "parameters": training.parameters,
        "training_data": asdict(source) | {"fingerprint": training.fingerprint},
        "split": {
            "method": "near-duplicate-grouped: average linkage of perceptual hashes, whole groups held out",
            "train_slices": training.train_slices,
            "validation_slices": training.validation_slices,
            "validation_share_of_groups": VALIDATION_SHARE,
            "test_slices": evaluation.examples,
        },
        "seed": training.seed,
        "epochs": len(training.history),
        "metrics": {"kept_epoch": asdict(kept), "test": asdict(evaluation)},
        "verdict": {
            "temperature": training.temperature,
            "threshold": training.threshold,
            "conformal_coverage": COVERAGE,
            "in_domain_share": IN_DOMAIN_SHARE,
        },
        "limits": list(LIMITS),
        "packages": _installed(),
    }
    if approval is not None:
        card["operation_id"] = approval.operation_id
        card["gate"] = {"blessed": approval.blessed, "forced": not approval.blessed, "reasons": list(approval.reasons)}
    return card


def _installed() -> dict[str, str]:
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
