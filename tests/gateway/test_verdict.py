"""Verdicts from the model's outputs."""

import numpy as np
import pytest

from gateway.errors import ModelFailedError
from gateway.verdict import Reliability, Verdict, read_verdict

_ROW = {
    "probabilities": np.array([0.75, 0.25], np.float32),
    "ood_score": np.float32(3.5),
    "label": np.int64(1),
    "reliability": np.int64(3),
}


def test_all_outputs_are_read():
    assert read_verdict(_ROW) == Verdict(True, 0.25, Reliability.OUT_OF_DOMAIN, 3.5)


def test_the_label_is_the_versions_own_whatever_the_probability():
    assert read_verdict(_ROW).label == "Tumor"
    assert read_verdict({**_ROW, "label": np.int64(0)}).label == "No Tumor"


@pytest.mark.parametrize(("number", "name"), [(1, "RELIABLE"), (2, "UNCERTAIN"), (3, "OUT_OF_DOMAIN")])
def test_reliability_is_numbered_as_in_the_contract(number, name):
    assert read_verdict({**_ROW, "reliability": np.int64(number)}).reliability.name == name


@pytest.mark.parametrize(("probability", "tumor"), [(0.5, True), (0.49, False)])
def test_a_version_without_label_is_read_at_one_half(probability, tumor):
    verdict = read_verdict({"probabilities": np.array([1 - probability, probability])})
    assert verdict == Verdict(tumor, probability, Reliability.UNCERTAIN, 0.0)


@pytest.mark.parametrize("probability", [0.0, 1.0])
def test_a_model_may_be_sure(probability):
    row = {"probabilities": np.array([1 - probability, probability], np.float32)}
    assert read_verdict(row).probability == probability


@pytest.mark.parametrize(
    "change",
    [
        {"probabilities": np.array([0.5])},
        {"probabilities": np.array([np.nan, np.nan])},
        {"probabilities": np.array([-1.0, 2.0])},
        {"probabilities": np.array([1.5, -0.5])},
        {"probabilities": np.array([0, 1])},
        {"probabilities": np.array([0.2, 0.3, 0.5])},
        {"probabilities": np.array([b"0.5", b"0.5"], object)},
        {"ood_score": np.float32(np.nan)},
        {"label": np.float32(np.inf)},
        {"reliability": np.int64(9)},
        {"label": np.array([1, 0])},
        {"label": np.int64(2)},
        {"label": np.int64(-1)},
    ],
    ids=[
        "one class",
        "not a number",
        "over one",
        "below zero",
        "other type",
        "three classes",
        "words",
        "no distance",
        "infinite label",
        "unknown reliability",
        "two labels",
        "third label",
        "negative label",
    ],
)
def test_outputs_of_something_else_are_the_models_failure(change):
    with pytest.raises(ModelFailedError):
        read_verdict({**_ROW, **change})


def test_probabilities_are_required():
    with pytest.raises(ModelFailedError):
        read_verdict({"label": np.int64(1)})
