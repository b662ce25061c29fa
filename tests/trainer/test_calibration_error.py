"""Calibration figures against values that were counted by hand."""

import numpy as np
import pytest

from trainer.calibration_error import BINS, brier_scores, calibration_bins, expected_calibration_errors

# Bins are 1/15 wide: two slices in the first, one in the sixth, two in the last.
_PROBABILITIES = np.array([0.02, 0.04, 0.35, 0.95, 1.0])
_TRUTH = np.array([False, True, False, True, True])
_ONCE = np.ones((1, 5))


def test_bins_compare_what_was_said_with_what_was() -> None:
    bins = calibration_bins(_PROBABILITIES, _TRUTH)

    assert bins.bins.tolist() == [0, 5, 14]
    assert bins.slices.tolist() == [2, 1, 2]
    assert bins.probability == pytest.approx([0.03, 0.35, 0.975])
    assert bins.tumor_share == pytest.approx([0.5, 0.0, 1.0])


def test_the_calibration_error_is_the_mean_gap_over_the_slices() -> None:
    """Gaps of 0.47, 0.35 and 0.025 for 2, 1 and 2 of 5 slices."""
    assert expected_calibration_errors(_PROBABILITIES, _TRUTH, _ONCE) == pytest.approx([(0.94 + 0.35 + 0.05) / 5])


def test_error_and_diagram_tell_the_same() -> None:
    rng = np.random.default_rng(0)
    probabilities, truth = rng.random(200), rng.random(200) < 0.4
    bins = calibration_bins(probabilities, truth)
    gaps = np.abs(bins.probability - bins.tumor_share) @ bins.slices / 200

    assert len(bins.bins) == BINS
    assert expected_calibration_errors(probabilities, truth, np.ones((1, 200))) == pytest.approx([gaps])


def test_the_brier_score_is_the_mean_squared_distance() -> None:
    by_hand = (0.02**2 + 0.96**2 + 0.35**2 + 0.05**2 + 0) / 5
    assert brier_scores(_PROBABILITIES, _TRUTH, _ONCE) == pytest.approx([by_hand])


def test_a_weight_counts_like_copies() -> None:
    weights = np.array([[1.0, 0, 3, 0, 2]])
    copies = np.repeat(np.arange(5), weights[0].astype(int))
    for figure in (expected_calibration_errors, brier_scores):
        weighed = figure(_PROBABILITIES, _TRUTH, weights)
        assert weighed == pytest.approx(figure(_PROBABILITIES[copies], _TRUTH[copies], np.ones((1, 6))))


def test_what_is_no_number_gives_no_number() -> None:
    probabilities = np.array([np.nan, 0.5])
    truth, weights = np.array([True, False]), np.ones((1, 2))

    assert np.isnan(expected_calibration_errors(probabilities, truth, weights)).all()
    assert np.isnan(brier_scores(probabilities, truth, weights)).all()
