"""The shipped model on the real data set, where it is at hand."""

import json
from pathlib import Path

import pytest

from trainer.dataset import DatasetPaths, Split, build_dataset, load_split
from trainer.evaluate import Candidate, evaluate, predict_split
from trainer.sources import ZipSource

_ZIP = Path(__file__).parents[3] / "shared/data/brain_tumor.zip"

pytestmark = [
    pytest.mark.real_data,
    pytest.mark.skipif(not _ZIP.exists(), reason="the real data set is absent; data/README.md says where to get it"),
]


@pytest.fixture(scope="module")
def test_split(tmp_path_factory: pytest.TempPathFactory) -> Split:
    """The untouched test split, made again with the seed of the shipped model."""
    root = tmp_path_factory.mktemp("data")
    paths = DatasetPaths(root / "all.npz", root / "train.npz", root / "test.npz")
    with ZipSource(_ZIP) as source:
        summary = build_dataset(source, paths, 1, lambda _done, _total: None)
    assert (summary.train_slices, summary.test_slices, summary.tumor_slices) == (2519, 489, 1373)
    return load_split(paths.test_npz)


def test_the_shipped_model_is_as_good_as_its_card_says(test_split: Split, shipped_version: Path) -> None:
    card = json.loads((shipped_version / "assets.extra/model_card.json").read_text())
    evaluation = evaluate(
        predict_split(Candidate(shipped_version), test_split, lambda _done, _total: None), test_split.labels
    )

    assert card["training_data"]["fingerprint"] == test_split.fingerprint
    assert evaluation.accuracy == pytest.approx(
        card["metrics"]["test"]["accuracy"], abs=0.003
    )  # one slice, by rounding
    assert evaluation.accuracy >= 0.97
    assert evaluation.auc >= 0.995


def test_verdicts_that_claim_to_be_reliable_are_more_often_right(test_split: Split, shipped_version: Path) -> None:
    outputs = predict_split(Candidate(shipped_version), test_split, lambda _done, _total: None)
    right = outputs["label"] == test_split.labels
    reliable = outputs["reliability"] == 1

    assert reliable.mean() > 0.9
    assert right[reliable].mean() > right[~reliable].mean()
