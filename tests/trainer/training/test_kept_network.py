"""A network that is kept says what it said in its version; what judges it is fitted anew."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gateway.imaging import InputSpec
from trainer.architectures import ARCHITECTURES, residual_cnn
from trainer.data.synthetic import synthetic_slice
from trainer.dataset import Split
from trainer.errors import KeptNetworkError, ModelVersionNotFoundError
from trainer.evaluate import Candidate
from trainer.train import Training, refit, train
from trainer.training.kept_network import KeptNetwork

_ARCHITECTURE = replace(residual_cnn.ARCHITECTURE, name="small", input_spec=InputSpec(32, 32, 1))


@pytest.fixture(scope="module", autouse=True)
def _small() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(ARCHITECTURES, "small", _ARCHITECTURE)
        yield


@pytest.fixture(scope="module")
def split() -> Split:
    """Synthetic slices, every other with a lesion."""
    images = np.stack([synthetic_slice(seed, lesion=seed % 2 == 1) for seed in range(48)])
    return Split(images, np.arange(48) % 2, np.arange(48), "fingerprint")


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory: pytest.TempPathFactory, split: Split) -> Path:
    """Version 1, after two epochs, with the part of a model card that is read again."""
    root = tmp_path_factory.mktemp("kept")
    training = train(split, _ARCHITECTURE, 2, 3, root / "run", lambda *_: None, lambda *_: None)
    _publish(root / "run", root / "versions/1", training)
    return root / "versions"


def _publish(run_dir: Path, version: Path, training: Training) -> None:
    shutil.copytree(run_dir / "candidate", version)
    counts = dict.fromkeys(("true_positives", "false_positives", "true_negatives", "false_negatives"), 1)
    test = {"examples": 4, "accuracy": 0.5, "auc": 0.5, "sensitivity": 0.5, "specificity": 0.5} | counts
    kept_epoch = {"loss": 0.5, "accuracy": 0.5, "val_loss": 0.5, "val_accuracy": 0.5}
    card = {
        "architecture": training.architecture,
        "training_data": {"fingerprint": training.fingerprint},
        "split": {"train_slices": training.train_slices, "validation_slices": training.validation_slices},
        "parent_version": 0,
        "created": "2026-01-01T00:00:00+00:00",
        "seed": training.seed,
        "metrics": {"kept_epoch": kept_epoch, "test": test},
    }
    (version / "assets.extra/model_card.json").write_text(json.dumps(card))


def test_a_kept_network_gives_the_logits_of_its_version(model_dir: Path, split: Split, tmp_path: Path) -> None:
    """Before and after it was exported again: at the temperature of each, the log odds of both are the same."""
    kept = KeptNetwork.of_version(model_dir, 1)
    training = refit(split, kept, tmp_path, lambda *_: None)
    images = np.stack([synthetic_slice(seed, lesion=seed % 2 == 1)[8:232:7, 8:232:7] for seed in range(50, 58)])

    before, after = Candidate(model_dir / "1").predict(images), Candidate(tmp_path / "candidate").predict(images)

    assert np.ptp(before["probabilities"][:, 1]) > 0
    np.testing.assert_allclose(after["probabilities"], before["probabilities"], atol=1e-6)
    assert training == replace(training, architecture="small", seed=3, fingerprint="fingerprint", network_of_version=1)
    assert training.history == [kept.metrics]
    network, _ = kept.load(with_critic=False)
    probabilities = network(images.astype(np.float32) / 255, training=False).numpy()
    odds = np.log(probabilities[:, 1] / probabilities[:, 0]) / training.temperature
    np.testing.assert_allclose(1 / (1 + np.exp(-odds)), before["probabilities"][:, 1], atol=1e-5)


def test_a_network_that_is_kept_again_is_that_of_the_version_it_was_fitted_for(model_dir: Path, tmp_path: Path) -> None:
    shutil.copytree(model_dir / "1", tmp_path / "2")
    path = tmp_path / "2/assets.extra/model_card.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"network_of_version": 1}))

    assert KeptNetwork.of_version(tmp_path, 2).fitted_for == 1


def test_a_kept_critic_scores_as_in_its_version(model_dir: Path, split: Split, tmp_path: Path) -> None:
    images = split.images[:8, 8:232:7, 8:232:7]
    before = Candidate(model_dir / "1").predict(images)
    fitted = list[tuple[int, int]]()
    refit(split, KeptNetwork.of_version(model_dir, 1), tmp_path, lambda *epoch: fitted.append(epoch), keep_critic=True)
    after = Candidate(tmp_path / "candidate").predict(images)

    assert not fitted
    for name, array in before.items():
        np.testing.assert_allclose(after[name], array, atol=1e-5)


def test_other_data_is_refused(model_dir: Path, split: Split, tmp_path: Path) -> None:
    """Its test slices may be among those that the network was fitted to."""
    otherwise_split = replace(split, images=split.images[1:], labels=split.labels[1:], groups=split.groups[1:])
    as_many = replace(split, images=np.concatenate([split.images[1:], synthetic_slice(99, lesion=True)[None]]))
    for other in (replace(split, fingerprint="another"), otherwise_split, as_many):
        with pytest.raises(KeptNetworkError, match="build its data set again"):
            refit(other, KeptNetwork.of_version(model_dir, 1), tmp_path, lambda *_: None)


def test_an_architecture_that_has_changed_since_is_refused(model_dir: Path) -> None:
    wider = replace(KeptNetwork.of_version(model_dir, 1), architecture=ARCHITECTURES["seed_cnn"])

    with pytest.raises(KeptNetworkError, match="seed_cnn and its domain critic are now"):
        wider.load(with_critic=False)


def test_a_version_that_cannot_be_read_is_told(model_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelVersionNotFoundError):
        KeptNetwork.of_version(model_dir, 7)
    (tmp_path / "2").mkdir()
    with pytest.raises(KeptNetworkError, match="no model card"):
        KeptNetwork.of_version(tmp_path, 2)
