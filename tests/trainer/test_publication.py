"""Training on a tiny set up to a published version that answers as the network did."""

import json
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gateway.imaging import InputSpec
from tfserving_api import messages
from trainer.architectures import Architecture
from trainer.architectures.residual_cnn import ARCHITECTURE
from trainer.data.grouping import perceptual_hash
from trainer.data.known_slices import KnownSlices
from trainer.dataset import Split
from trainer.errors import BrokenModelError, PublicationError
from trainer.evaluate import Candidate, evaluate, predict_images
from trainer.figures import EpochMetrics, Evaluation
from trainer.model_card import DataSource
from trainer.publish import publish
from trainer.report.answers import Answers
from trainer.report.page import report_page
from trainer.train import Training, train
from trainer.versions import MODEL_CARD, versions_on_disk

_SPEC = InputSpec(32, 32, 1)
_SOURCE = DataSource("made up", "none")


def _split(seed: int) -> Split:
    """Slices with a bright spot where there is a tumor."""
    rng = np.random.default_rng(seed)
    labels = np.arange(96) % 2
    images = rng.integers(0, 90, (96, 240, 240, 1), np.uint8)
    images[labels == 1, 60:120, 60:120] = 250
    return Split(images, labels, np.arange(96), "fingerprint")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Training, Path, list[EpochMetrics]]:
    """A network of 32x32 pixels after three epochs."""
    directory = tmp_path_factory.mktemp("run")
    seen: list[EpochMetrics] = []
    small = Architecture("small", _SPEC, ARCHITECTURE.build, ARCHITECTURE.recipe)
    training = train(_split(0), small, 3, 1, directory, lambda _epoch, metrics: seen.append(metrics), lambda *_: None)
    return training, directory, seen


@pytest.fixture(scope="module")
def candidate(run: tuple[Training, Path, list[EpochMetrics]]) -> Candidate:
    return Candidate(run[1] / "candidate")


@pytest.fixture(scope="module")
def answers(candidate: Candidate) -> Answers:
    split = _split(1)
    return Answers(split, predict_images(candidate, split.images))


@pytest.fixture(scope="module")
def evaluation(answers: Answers) -> Evaluation:
    return evaluate(answers.outputs, answers.split.labels)


@pytest.fixture
def published(
    tmp_path: Path, run: tuple[Training, Path, list[EpochMetrics]], evaluation: Evaluation, answers: Answers
) -> Callable[..., int]:
    """Publishes the network in `brain_tumor`, as the first version or as the arguments say."""
    return partial(
        publish,
        candidate_dir=run[1] / "candidate",
        model_dir=tmp_path / "brain_tumor",
        training=run[0],
        evaluation=evaluation,
        answers=answers,
        source=_SOURCE,
        parent=0,
    )


def test_each_epoch_is_reported_and_kept(run: tuple[Training, Path, list[EpochMetrics]]) -> None:
    training, directory, seen = run

    assert training.history == seen
    assert len(seen) == 3
    assert training.train_slices + training.validation_slices == 96
    assert list((directory / "tensorboard").rglob("events.out.tfevents.*"))
    assert not (directory / "pixels.npy").exists()


def test_the_signature_has_the_contracts_names_and_types(candidate: Candidate) -> None:
    outputs = candidate.predict(np.zeros((3, 32, 32, 1), np.uint8))

    assert {name: (array.dtype.name, array.shape) for name, array in outputs.items()} == {
        "probabilities": ("float32", (3, 2)),
        "ood_score": ("float32", (3,)),
        "label": ("int64", (3,)),
        "reliability": ("int64", (3,)),
    }


def test_an_explanation_is_the_same_verdict_with_a_heatmap(candidate: Candidate) -> None:
    images = np.stack([image[::8, ::8][:32, :32][..., :1] for image in _split(2).images[:4]])
    images = np.pad(images, ((0, 0), (0, 2), (0, 2), (0, 0)))[:, :32, :32]
    plain, explained = candidate.predict(images), candidate.predict(images, "explain")

    heatmap = explained.pop("heatmap")
    assert heatmap.min() >= 0
    assert heatmap.max() <= 1
    for name, array in plain.items():
        np.testing.assert_allclose(explained[name], array, atol=1e-5)


def test_weights_are_written_once(run: tuple[Training, Path, list[EpochMetrics]]) -> None:
    training, directory, _ = run
    shipped = sum(path.stat().st_size for path in (directory / "candidate/variables").iterdir())

    assert shipped < training.parameters * 4 * 1.05 + 20_000


def test_the_figures_add_up(evaluation: Evaluation) -> None:
    counts = (
        evaluation.true_positives,
        evaluation.false_positives,
        evaluation.true_negatives,
        evaluation.false_negatives,
    )

    assert sum(counts) == evaluation.examples == 96
    assert evaluation.accuracy == (counts[0] + counts[2]) / 96
    assert evaluation.auc > 0.9


def test_a_version_is_published_with_golden_requests_card_and_report(
    tmp_path: Path, published: Callable[..., int], evaluation: Evaluation
) -> None:
    model_dir = tmp_path / "brain_tumor"
    (model_dir / ".unfinished-by-hand/half").mkdir(parents=True)  # of a command that was killed
    numbers = [published(parent=parent) for parent in (0, 1)]

    assert numbers == [1, 2] == versions_on_disk(model_dir)
    assert sorted(path.name for path in model_dir.iterdir()) == [".lock", "1", "2"]
    card = json.loads((model_dir / "2/assets.extra/model_card.json").read_text())
    assert (card["model_version"], card["parent_version"]) == (2, 1)
    assert card["metrics"]["test"]["accuracy"] == evaluation.accuracy
    assert card["lineage"] == [1]
    assert "# Model card: version 2" in (model_dir / "2/assets.extra/model_card.md").read_text()
    report = (model_dir / "2/assets.extra/report.html").read_text()
    assert "<title>Version 2, small</title>" in report
    assert report.count("data:image/jpeg") == 2 * report.count("<b>P(tumor) ") >= 20


def test_a_version_tells_what_it_was_fitted_to_and_tested_on(tmp_path: Path, published: Callable[..., int]) -> None:
    published()

    known = KnownSlices.of_version(tmp_path / "brain_tumor", 1)

    for hashes, seed in ((known.train, 0), (known.test, 1)):
        of_slices = {perceptual_hash(image).tobytes() for image in _split(seed).images}
        assert {row.tobytes() for row in hashes} == of_slices


def test_golden_requests_hold_the_models_own_answers(tmp_path: Path, published: Callable[..., int]) -> None:
    import tensorflow as tf

    published()
    version = tmp_path / "brain_tumor/1"
    model = Candidate(version)
    records = list(
        tf.data.TFRecordDataset(str(version / "assets.extra/tf_serving_warmup_requests")).as_numpy_iterator()
    )

    assert len(records) == 4
    for record in records:
        log = messages.PredictionLog.FromString(record).predict_log
        images = tf.make_ndarray(log.request.inputs["images"])
        answer = model.predict(images, log.request.model_spec.signature_name)
        assert set(log.response.outputs) == set(answer)
        for name, tensor in log.response.outputs.items():
            np.testing.assert_allclose(tf.make_ndarray(tensor), answer[name], atol=1e-5)


def test_a_number_that_another_version_takes_meanwhile_costs_no_training(
    tmp_path: Path, published: Callable[..., int], monkeypatch: pytest.MonkeyPatch
) -> None:
    model_dir = tmp_path / "brain_tumor"

    def slow_page(*details: Any) -> str:
        if not versions_on_disk(model_dir):  # as whoever copies one by hand does
            (model_dir / "1/assets").mkdir(parents=True)
        return report_page(*details)

    monkeypatch.setattr("trainer.publish.report_page", slow_page)

    assert published() == 2
    assert json.loads((model_dir / "2/assets.extra/model_card.json").read_text())["model_version"] == 2
    assert sorted(path.name for path in model_dir.iterdir()) == [".lock", "1", "2"]


def test_two_who_publish_into_one_directory_each_make_a_version_of_their_own(
    tmp_path: Path, run: tuple[Training, Path, list[EpochMetrics]], published: Callable[..., int]
) -> None:
    with ThreadPoolExecutor() as threads:
        versions = list(threads.map(lambda seed: published(training=replace(run[0], seed=seed)), (100, 200)))

    cards = [json.loads((tmp_path / "brain_tumor" / str(version) / MODEL_CARD).read_text()) for version in versions]
    assert sorted(versions) == [1, 2]
    assert [(card["seed"], card["model_version"]) for card in cards] == [(100, versions[0]), (200, versions[1])]


def test_a_failed_publication_leaves_nothing(
    tmp_path: Path, run: tuple[Training, Path, list[EpochMetrics]], published: Callable[..., int]
) -> None:
    broken = shutil.copytree(run[1] / "candidate", tmp_path / "candidate")
    (broken / "variables/variables.index").unlink()
    (broken / "saved_model.pb").unlink()

    with pytest.raises(BrokenModelError, match="the model in candidate cannot be loaded"):
        published(candidate_dir=broken)

    assert [path.name for path in (tmp_path / "brain_tumor").iterdir()] == [".lock"]
    (tmp_path / "file").touch()
    with pytest.raises(PublicationError):
        published(model_dir=tmp_path / "file")
