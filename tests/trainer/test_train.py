"""A training that was broken off goes on with the next epoch."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from trainer.architectures import Architecture
from trainer.dataset import Split
from trainer.errors import TooFewSlicesError, TrainingDivergedError
from trainer.figures import EpochMetrics
from trainer.train import train


@pytest.fixture(scope="module")
def split() -> Split:
    """Noise, so that a network cannot get better for long."""
    labels = np.arange(48) % 2
    images = np.random.default_rng(0).integers(0, 255, (48, 240, 240, 1), np.uint8)
    return Split(images, labels, np.arange(48), "fingerprint")


class _PowerCutError(Exception):
    pass


@pytest.mark.parametrize("patience", [None, 1])
def test_finished_epochs_are_not_done_again(
    tmp_path: Path, split: Split, tiny: Architecture, patience: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    architecture = replace(tiny, recipe=replace(tiny.recipe, patience=patience))
    on_disk: list[Path] = []
    monkeypatch.setattr("trainer.train.sync_tree", on_disk.append)
    seen: list[tuple[int, EpochMetrics]] = []
    (tmp_path / "candidate").mkdir()
    (tmp_path / "candidate/half").write_text("of an export that was broken off")

    def note_and_break_off(epoch: int, metrics: EpochMetrics) -> None:
        seen.append((epoch, metrics))
        if epoch == 1:
            raise _PowerCutError

    with pytest.raises(_PowerCutError):
        train(split, architecture, 3, 1, tmp_path, note_and_break_off, lambda *_: None)
    training = train(split, architecture, 3, 1, tmp_path, note_and_break_off, lambda *_: None)

    assert training.history == [metrics for _, metrics in seen]
    assert [epoch for epoch, _ in seen] == list(range(1, len(seen) + 1))
    losses = [metrics.val_loss for metrics in training.history]
    assert training.kept_epoch == (int(np.argmin(losses)) if patience else 2)
    assert (tmp_path / "candidate/saved_model.pb").exists()
    assert not (tmp_path / "candidate/half").exists()
    assert on_disk == [tmp_path / "candidate"]
    assert len(list((tmp_path / "checkpoint").glob("*.npz"))) <= 2


def test_a_split_that_leaves_nothing_to_validate_on_costs_nothing(
    tmp_path: Path, split: Split, tiny: Architecture
) -> None:
    lopsided = replace(split, labels=np.arange(48) // 47)

    with pytest.raises(TooFewSlicesError, match="validate"):
        train(lopsided, tiny, 3, 1, tmp_path / "run", lambda *_: None, lambda *_: None)

    assert not (tmp_path / "run").exists()


def test_a_loss_that_is_no_number_is_told(tmp_path: Path, split: Split, tiny: Architecture) -> None:
    def explosive(_steps: int) -> object:
        import keras

        return keras.optimizers.SGD(keras.optimizers.schedules.PolynomialDecay(1e30, 10, 1e30))

    architecture = replace(tiny, recipe=replace(tiny.recipe, optimizer=explosive))

    with pytest.raises(TrainingDivergedError, match="epoch"):
        train(split, architecture, 3, 1, tmp_path, lambda *_: None, lambda *_: None)
