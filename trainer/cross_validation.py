"""Figures of a recipe rather than of one model.

Each group of slices is held out once, and judged by a model that never saw it.
"""

import hashlib
import inspect
import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from statistics import mean, stdev

import numpy as np
from numpy.typing import NDArray

from trainer.architectures import Architecture
from trainer.data.split import fold_numbers
from trainer.dataset import Split
from trainer.evaluate import Candidate, evaluate, predict_images
from trainer.figures import Evaluation
from trainer.jobs.run_directory import CANDIDATE, CHECKPOINT, hold, remove
from trainer.record import read_record, write_record
from trainer.train import train
from trainer.training.fitting import OnEpoch

SHARES = tuple(field.name for field in fields(Evaluation) if field.type is float)
"""Names of the figures of which a mean makes sense: the others are counts."""


def directory_name(data: Split, architecture: Architecture, epochs: int, seed: int, folds: int) -> str:
    """Returns where a cross-validation lies; arguments as those of cross_validate.

    It is another one for other slices or groups, and where the recipe or the module of the architecture has changed.
    Changes to what all architectures share, such as augmentation, do not show in it.
    """
    recipe = architecture.recipe
    plain = {field.name: getattr(recipe, field.name) for field in fields(recipe) if field.name != "optimizer"}
    source = inspect.getsource(sys.modules[architecture.build.__module__])
    digest = hashlib.sha256(f"{plain}\n{source}\n{data.fingerprint}\n".encode())
    digest.update(data.groups.tobytes())
    return f"{architecture.name}-{epochs or recipe.epochs}-epochs-seed-{seed}-{folds}-folds-{digest.hexdigest()[:12]}"


def cross_validate(
    data: Split, architecture: Architecture, epochs: int, seed: int, folds: int, directory: Path, on_epoch: OnEpoch
) -> Iterator[tuple[Evaluation, bool]]:
    """Trains once for each fold, on the slices of all others.

    Args:
      data: every slice; no near-duplicate group is torn apart.
      architecture: what to fit.
      epochs: at most; 0 is the recipe's own.
      seed: of the folds and of each training.
      folds: how many, from 2.
      directory: gets fold-0/ and so on. A fold whose evaluation is there already is not done again, and one that was
        broken off goes on.
      on_epoch: progress of the current training.

    Yields:
      The figures of each fold's model on its fold, at the model's own threshold, and whether they were there already.

    Raises:
      TooFewSlicesError: a label would be missing in a fold.
      TrainerError: another process works in the directory.
    """
    numbers = fold_numbers(data.groups, data.labels, folds, seed)
    directory.mkdir(parents=True, exist_ok=True)
    with hold(directory):
        for fold in range(folds):
            run_dir = directory / f"fold-{fold}"
            path = run_dir / "evaluation.json"
            is_kept = path.exists()
            if not is_kept:
                train(_part(data, numbers != fold), architecture, epochs, seed, run_dir, on_epoch, lambda *_: None)
                held_out = _part(data, numbers == fold)
                outputs = predict_images(Candidate(run_dir / CANDIDATE), held_out.images)
                write_record(path, evaluate(outputs, held_out.labels))
            remove(run_dir / CHECKPOINT)
            yield read_record(path, Evaluation), is_kept


def spread(evaluations: list[Evaluation]) -> dict[str, tuple[float, float]]:
    """Returns mean and standard deviation over two folds or more, by name of the figure."""
    values = {name: [getattr(evaluation, name) for evaluation in evaluations] for name in SHARES}
    return {name: (mean(of_folds), stdev(of_folds)) for name, of_folds in values.items()}


def _part(data: Split, chosen: NDArray[np.bool_]) -> Split:
    return Split(data.images[chosen], data.labels[chosen], data.groups[chosen], data.fingerprint)
