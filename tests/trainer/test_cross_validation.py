"""Every slice is judged once, by a model that saw none of its group; what is done is not done again."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from trainer.architectures import Architecture, architecture_named
from trainer.cross_validation import cross_validate, directory_name, spread
from trainer.data.synthetic import synthetic_slice
from trainer.dataset import Split
from trainer.errors import TrainerError
from trainer.figures import Evaluation
from trainer.jobs.run_directory import hold


@pytest.fixture(scope="module")
def data() -> Split:
    images = np.stack([synthetic_slice(seed, lesion=seed % 2 == 1) for seed in range(32)])[..., :1]
    return Split(images, np.arange(32) % 2, np.arange(32) // 4 * 2 + np.arange(32) % 2, "of made-up slices")


def test_every_slice_is_judged_once(tmp_path: Path, data: Split, tiny: Architecture) -> None:
    epochs: list[int] = []

    def run() -> list[tuple[Evaluation, bool]]:
        return list(cross_validate(data, tiny, 1, 3, 2, tmp_path, lambda epoch, _: epochs.append(epoch)))

    first = run()
    assert sum(evaluation.examples for evaluation, _ in first) == 32
    assert epochs == [1, 1]
    assert not list(tmp_path.rglob("checkpoint"))
    assert run() == [(evaluation, True) for evaluation, _ in first]
    assert not any(is_kept for _, is_kept in first)
    assert epochs == [1, 1]  # nothing was trained again


def test_two_do_not_work_in_one_directory(tmp_path: Path, data: Split) -> None:
    with hold(tmp_path), pytest.raises(TrainerError, match="another process works in"):
        next(cross_validate(data, architecture_named("residual_cnn"), 1, 3, 2, tmp_path, lambda *_: None))


def test_another_recipe_or_another_grouping_lies_elsewhere(data: Split) -> None:
    architecture = architecture_named("residual_cnn")
    recipe = architecture.recipe

    names = [
        directory_name(data, architecture, 0, 3, 2),
        directory_name(data, architecture_named("seed_cnn"), 60, 3, 2),
        directory_name(data, replace(architecture, recipe=replace(recipe, label_smoothing=0.1)), 0, 3, 2),
        directory_name(data, replace(architecture, build=architecture_named("seed_cnn").build), 0, 3, 2),
        directory_name(replace(data, groups=data.groups // 2), architecture, 0, 3, 2),
        directory_name(replace(data, fingerprint="of others"), architecture, 0, 3, 2),
        directory_name(data, architecture, 1, 3, 2),
        directory_name(data, architecture, 0, 4, 2),
        directory_name(data, architecture, 0, 3, 3),
    ]

    assert len(set(names)) == len(names)
    again = replace(architecture, recipe=replace(recipe, optimizer=partial(recipe.optimizer)))
    assert directory_name(replace(data, groups=data.groups.copy()), again, recipe.epochs, 3, 2) == names[0]


def test_mean_and_deviation_over_folds() -> None:
    one = Evaluation(10, 0.9, 0.95, 0.8, 1.0, 4, 0, 5, 1)
    other = Evaluation(10, 0.7, 0.95, 0.6, 0.8, 3, 1, 4, 2)

    figures = spread([one, other])

    assert list(figures) == ["accuracy", "auc", "sensitivity", "specificity"]
    assert figures["accuracy"] == pytest.approx((0.8, 0.1 * 2**0.5))
    assert figures["auc"] == (0.95, 0.0)
