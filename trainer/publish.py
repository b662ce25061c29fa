"""Writing of a version into the model directory: whole, or not at all."""

import errno
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from trainer.data.known_slices import TEST_HASHES, write_hashes
from trainer.durable import locked, sync, sync_tree
from trainer.errors import PublicationError
from trainer.evaluate import Candidate
from trainer.figures import Evaluation
from trainer.model_card import Approval, DataSource, model_card
from trainer.model_card_text import model_card_text
from trainer.reliability import trust
from trainer.report.answers import Answers
from trainer.report.intervals import measure
from trainer.report.page import report_page
from trainer.rollout.golden import write_golden_requests
from trainer.rollout.replay import GOLDEN_REQUESTS
from trainer.shortcuts import shortcuts
from trainer.train import Training
from trainer.versions import BY_HAND, MODEL_CARD, REPORT, lineage, next_version, unfinished_dir


def publish(
    candidate_dir: Path,
    model_dir: Path,
    training: Training,
    evaluation: Evaluation,
    answers: Answers,
    source: DataSource,
    parent: int,
    approval: Approval | None = None,
) -> int:
    """Makes a SavedModel the next version.

    Report, model card and hashes of the test split are added, and golden requests where there are none. Everything is
    on disk before the rename that makes it a version: serving never sees half of one, and there is none without a
    report.

    Args:
      candidate_dir: the SavedModel; it is copied.
      model_dir: of the versions.
      training: how it was trained.
      evaluation: of `answers.outputs`.
      answers: to the test split, and those of versions to compare with.
      source: of the training data.
      parent: the stable version; 0 for none.
      approval: by a job; None where a person publishes, who holds the run directory.

    Returns:
      The number of the version.

    Raises:
      PublicationError: the version cannot be written, or has no number.
      BrokenModelError: the candidate cannot be loaded.
    """
    unfinished = unfinished_dir(model_dir, approval.operation_id if approval else BY_HAND)
    try:
        # One at a time: jobs and commands of other data roots may write into the same directory.
        with locked(model_dir), _cleared(unfinished):
            shutil.copytree(candidate_dir, unfinished)
            candidate = Candidate(candidate_dir)
            if not (unfinished / GOLDEN_REQUESTS).exists():
                write_golden_requests(candidate, model_dir.name, unfinished)
            write_hashes(unfinished / TEST_HASHES, answers.split.images)
            measured, ancestors = measure(answers, training.seed), lineage(model_dir, parent)
            found, trusted = shortcuts(answers.split), trust(answers.outputs, answers.split.labels, training.conformal)
            while True:
                version = next_version(model_dir)
                card = model_card(
                    version, ancestors, training, evaluation, measured.figures, trusted, found, source, approval
                )
                report = report_page(card, training, evaluation, answers, measured, candidate)
                _describe(unfinished, card, report)
                sync_tree(unfinished)
                if _moved(unfinished, model_dir / str(version)):
                    return version
    except OSError as err:
        raise PublicationError(
            f"the version cannot be written: {err.strerror or 'its files cannot be copied'}"
        ) from err


@contextmanager
def _cleared(directory: Path) -> Iterator[None]:
    """Removes a directory before, where the same job or the last command was killed, and after."""
    shutil.rmtree(directory, ignore_errors=True)
    try:
        yield
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _describe(directory: Path, card: dict[str, Any], report: str) -> None:
    (directory / MODEL_CARD).write_text(json.dumps(card, indent=1) + "\n", "utf-8")
    (directory / MODEL_CARD).with_suffix(".md").write_text(model_card_text(card), "utf-8")
    (directory / REPORT).write_text(report, "utf-8")


def _moved(unfinished: Path, version_dir: Path) -> bool:
    """Makes it the version; False where another one has taken the number meanwhile."""
    try:
        unfinished.rename(version_dir)
    except OSError as err:
        if err.errno in {errno.ENOTEMPTY, errno.EEXIST}:
            return False
        raise
    sync(version_dir.parent)
    return True
