"""What became of a version's word on labelled slices."""

import math

import numpy as np
import pytest

from trainer.reliability import Reliability, Verdicts, trust

_RELIABLE, _UNCERTAIN, _OUT_OF_DOMAIN = (kind.value for kind in Reliability)


def _answers(*answers: tuple[float, int, int]) -> dict[str, np.ndarray]:
    tumor, label, reliability = map(np.array, zip(*answers, strict=True))
    probabilities = np.stack([1 - tumor, tumor], axis=1).astype(np.float32)
    return {"probabilities": probabilities, "label": label, "reliability": reliability}


def test_verdicts_are_counted_by_reliability_and_labels_as_the_conformal_prediction_left_them_open() -> None:
    answers = _answers(
        (0.1, 0, _RELIABLE),  # right, its label is open
        (0.4, 0, _UNCERTAIN),  # right, but too improbable for the bound of no tumor
        (0.9, 1, _RELIABLE),  # wrong, its own label is not open
        (0.3, 0, _UNCERTAIN),  # wrong, and open by the wider bound of a tumor
        (0.9, 1, _UNCERTAIN),  # right
        (0.2, 0, _RELIABLE),  # wrong, not open
    )
    found = trust(answers, np.array([0, 0, 0, 1, 1, 1]), (0.2, 0.75))

    assert found.verdicts[Reliability.RELIABLE] == Verdicts(slices=3, right=1)
    assert found.verdicts[Reliability.UNCERTAIN] == Verdicts(slices=3, right=2)
    assert found.verdicts[Reliability.OUT_OF_DOMAIN] == Verdicts(slices=0, right=0)
    assert found.coverage == pytest.approx((1 / 3, 2 / 3))


def test_a_label_is_open_up_to_its_bound_as_in_the_graph() -> None:
    bound = 1 - np.float32(0.7)

    assert trust(_answers((0.7, 1, _RELIABLE)), np.array([1]), (0.0, float(bound))).coverage[1] == 1


def test_without_slices_of_a_label_its_coverage_has_no_meaning() -> None:
    no_tumor, tumor = trust(_answers((0.1, 0, _RELIABLE)), np.array([0]), (0.2, 0.2)).coverage

    assert no_tumor == 1
    assert math.isnan(tumor)
