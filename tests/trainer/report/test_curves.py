"""Curves against values that were counted by hand."""

import numpy as np
import pytest

from trainer.report.curves import average_precision, precision_recall_curve, risk_coverage_curve, roc_curve
from trainer.roc import area_under_roc

# From the highest score down: tumor, no tumor, then both at 0.4, then no tumor.
_SCORES = np.array([0.4, 0.9, 0.1, 0.4, 0.7])
_TRUTH = np.array([True, True, False, False, False])


def test_the_roc_curve_steps_once_for_each_score() -> None:
    false_share, true_share = roc_curve(_SCORES, _TRUTH)

    assert false_share == pytest.approx([0, 0, 1 / 3, 2 / 3, 1])
    assert true_share == pytest.approx([0, 0.5, 0.5, 1, 1])


def test_the_area_below_the_curve_is_the_auc() -> None:
    rng = np.random.default_rng(1)
    scores, truth = rng.integers(0, 20, 300) / 20, rng.random(300) < 0.5
    false_share, true_share = roc_curve(scores, truth)

    assert np.trapezoid(true_share, false_share) == pytest.approx(area_under_roc(scores, truth))


def test_precision_and_recall_by_score() -> None:
    recall, precision = precision_recall_curve(_SCORES, _TRUTH)

    assert recall == pytest.approx([0, 0.5, 0.5, 1, 1])
    assert precision == pytest.approx([1, 1, 1 / 2, 2 / 4, 2 / 5])
    assert average_precision((recall, precision)) == pytest.approx(0.5 * 1 + 0.5 * 0.5)


def test_precision_begins_with_that_of_the_highest_score() -> None:
    recall, precision = precision_recall_curve(np.array([0.9, 0.5, 0.1]), np.array([False, True, False]))

    assert recall == pytest.approx([0, 0, 1, 1])
    assert precision == pytest.approx([0, 0, 1 / 2, 1 / 3])


def test_scores_that_separate_are_perfect() -> None:
    curve = precision_recall_curve(np.array([0.1, 0.9, 0.2]), np.array([False, True, False]))
    assert average_precision(curve) == 1


def test_risk_rises_with_coverage_where_doubt_is_right() -> None:
    coverage, risk = risk_coverage_curve(np.array([0.6, 0.99, 0.8, 0.8]), np.array([True, False, False, True]))

    assert coverage == pytest.approx([0.25, 0.75, 1])
    assert risk == pytest.approx([0, 1 / 3, 0.5])
