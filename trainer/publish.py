"""Writing of a version into the model directory: whole, or not at all."""

import json
import os
import shutil
import uuid
from pathlib import Path

from trainer.durable import sync
from trainer.errors import PublicationError
from trainer.evaluate import Candidate
from trainer.figures import Evaluation
from trainer.golden import write_golden_requests
from trainer.model_card import Approval, DataSource, model_card
from trainer.train import Training
from trainer.versions import UNFINISHED, versions_on_disk


def publish(
    candidate_dir: Path,
    model_dir: Path,
    training: Training,
    evaluation: Evaluation,
    source: DataSource,
    parent: int,
    approval: Approval | None = None,
) -> int:
    """Makes a SavedModel the next version.

    The model card is added, and golden requests where there are none. Everything is on disk before the rename
    that makes it a version: serving never sees half of one.

    Returns:
      The number of the version.

    Raises:
      PublicationError: the version cannot be written.
    """
    version = max(versions_on_disk(model_dir), default=0) + 1
    unfinished = model_dir / f"{UNFINISHED}{uuid.uuid4().hex if approval is None else approval.operation_id}"
    try:
        shutil.rmtree(unfinished, ignore_errors=True)  # of the same job, which was killed here
        model_dir.mkdir(parents=True, exist_ok=True)
        shutil.copytree(candidate_dir, unfinished)
        extra = unfinished / "assets.extra"
        extra.mkdir(exist_ok=True)
        golden_requests = extra / "tf_serving_warmup_requests"
        if not golden_requests.exists():
            write_golden_requests(Candidate(unfinished), model_dir.name, golden_requests)
        card = model_card(version, parent, training, evaluation, source, approval)
        (extra / "model_card.json").write_text(json.dumps(card, indent=1) + "\n")
        _sync(unfinished)
        unfinished.rename(model_dir / str(version))
        sync(model_dir)
    except OSError as err:
        raise PublicationError(f"version {version} cannot be written: {err.strerror}") from err
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return version


def _sync(directory: Path) -> None:
    """Waits until a tree is on disk, so that the rename after it never outlives its content."""
    for parent, _, files in os.walk(directory):
        for name in files:
            sync(Path(parent) / name)
        sync(Path(parent))
