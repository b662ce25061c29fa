"""Writing of a version into the model directory: whole, or not at all."""

import json
import os
import shutil
import uuid
from pathlib import Path

from trainer.errors import PublicationError
from trainer.evaluate import Candidate, Evaluation
from trainer.golden import write_golden_requests
from trainer.model_card import DataSource, model_card
from trainer.train import Training

UNFINISHED = ".unfinished-"
"""Prefix of a version that is being written; serving takes only numbers for versions."""


def versions(model_dir: Path) -> list[int]:
    """Returns the numbers of the versions on disk, ascending."""
    if not model_dir.is_dir():
        return []
    return sorted(int(entry.name) for entry in model_dir.iterdir() if entry.name.isdecimal() and entry.is_dir())


def publish(
    candidate_dir: Path, model_dir: Path, training: Training, evaluation: Evaluation, source: DataSource, parent: int
) -> int:
    """Makes a SavedModel the next version.

    Golden requests and the model card are added, everything is on disk before the rename that
    makes it a version: serving never sees half of one.

    Returns:
      The number of the version.

    Raises:
      PublicationError: the version cannot be written.
    """
    version = max(versions(model_dir), default=0) + 1
    unfinished = model_dir / f"{UNFINISHED}{uuid.uuid4().hex}"
    try:
        model_dir.mkdir(parents=True, exist_ok=True)
        shutil.copytree(candidate_dir, unfinished)
        extra = unfinished / "assets.extra"
        extra.mkdir()
        write_golden_requests(Candidate(unfinished), model_dir.name, extra / "tf_serving_warmup_requests")
        card = model_card(version, parent, training, evaluation, source)
        (extra / "model_card.json").write_text(json.dumps(card, indent=1) + "\n")
        _sync(unfinished)
        unfinished.rename(model_dir / str(version))
        _sync_entry(model_dir)
    except OSError as err:
        raise PublicationError(f"version {version} cannot be written: {err.strerror}") from err
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return version


def _sync(directory: Path) -> None:
    """Waits until a tree is on disk, so that the rename after it never outlives its content."""
    for parent, _, files in os.walk(directory):
        for name in files:
            _sync_entry(Path(parent) / name)
        _sync_entry(Path(parent))


def _sync_entry(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
