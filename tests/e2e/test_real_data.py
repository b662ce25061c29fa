"""The shipped model on the real data set, where it is at hand."""

import json
from pathlib import Path

import pytest

from trainer.data.grouping import perceptual_hash
from trainer.data.known_slices import KnownSlices
from trainer.dataset import Split
from trainer.evaluate import Candidate, evaluate, predict_images

pytestmark = pytest.mark.real_data


def test_the_shipped_model_is_as_good_as_its_card_says(test_split: Split, shipped_version: Path) -> None:
    card = json.loads((shipped_version / "assets.extra/model_card.json").read_text())
    evaluation = evaluate(predict_images(Candidate(shipped_version), test_split.images), test_split.labels)

    assert card["training_data"]["fingerprint"] == test_split.fingerprint
    assert evaluation.accuracy == pytest.approx(
        card["metrics"]["test"]["accuracy"], abs=0.003
    )  # one slice, by rounding
    assert evaluation.accuracy >= 0.97
    assert evaluation.auc >= 0.995


def test_the_shipped_model_tells_what_it_was_tested_on(test_split: Split, shipped_version: Path) -> None:
    known = KnownSlices.of_version(shipped_version.parent, int(shipped_version.name))
    tested = {perceptual_hash(image).tobytes() for image in test_split.images}

    assert {row.tobytes() for row in known.test} == tested
    assert not {row.tobytes() for row in known.train} & tested


def test_verdicts_that_claim_to_be_reliable_are_more_often_right(test_split: Split, shipped_version: Path) -> None:
    outputs = predict_images(Candidate(shipped_version), test_split.images)
    right = outputs["label"] == test_split.labels
    reliable = outputs["reliability"] == 1

    assert reliable.mean() > 0.9
    assert right[reliable].mean() > right[~reliable].mean()
