"""Figures with their intervals."""

import math

import numpy as np
import pytest

from trainer.bootstrap import ACCURACY, AUC, BRIER, ECE, FIGURES, SENSITIVITY, SPECIFICITY
from trainer.report.intervals import Figure, measure


def test_values_are_those_of_the_split(make_answers) -> None:
    """Two of 12 tumors are missed, and one of 12 others is called."""
    answers = make_answers()
    figures = measure(answers, 1).figures

    assert tuple(figures) == FIGURES
    assert figures[ACCURACY].value == pytest.approx(21 / 24)
    assert figures[SENSITIVITY].value == pytest.approx(10 / 12)
    assert figures[SPECIFICITY].value == pytest.approx(11 / 12)
    assert figures[BRIER].value == pytest.approx(np.mean((answers.probabilities - answers.truth) ** 2))
    assert 0 < figures[ECE].value < 0.3
    for figure in figures.values():
        assert figure.low <= figure.high


def test_intervals_hold_the_value_and_repeat_with_the_seed(make_answers) -> None:
    accuracy = measure(make_answers(), 1).figures[ACCURACY]

    assert accuracy.low < accuracy.value < accuracy.high
    assert accuracy == measure(make_answers(), 1).figures[ACCURACY]


def test_resamples_that_agree_are_no_certainty(make_answers) -> None:
    """A few slices that are all called rightly say little of the next."""
    measured = measure(make_answers(wrong=()), 1)

    assert (measured.figures[ACCURACY].value, measured.figures[AUC].value) == (1, 1)
    for name in (ACCURACY, AUC, SENSITIVITY, SPECIFICITY):
        assert math.isnan(measured.figures[name].low)
        assert math.isnan(measured.figures[name].high)


def test_bounds_that_read_the_same_are_none() -> None:
    assert math.isnan(Figure.of(np.array([0.01, 0.010001, 0.010002])).high)
    assert Figure.of(np.array([0.01, 0.0101, 0.0103])).high > 0.0102


def test_a_version_held_against_itself_differs_in_nothing(make_answers) -> None:
    others = {"twin": make_answers().outputs, "worse": make_answers((0, 1, 2, 3)).outputs}
    measured = measure(make_answers(comparisons=others), 1)

    assert measured.others["twin"] == measured.figures
    assert all(gain.value == 0 and math.isnan(gain.low) for gain in measured.gains["twin"].values())
    assert measured.gains["worse"][ACCURACY].value == pytest.approx(1 / 24)


def test_what_has_no_meaning_with_one_label_is_no_number(make_answers) -> None:
    figures = measure(make_answers(labels=np.ones(24, np.int64)), 1).figures

    assert math.isnan(figures[AUC].value)
    assert math.isnan(figures[SPECIFICITY].low)
    assert figures[ACCURACY].value == pytest.approx(21 / 24)


def test_95_of_100_resamples_lie_between_the_bounds() -> None:
    figure = Figure.of(np.array([500.0, *range(1001)]))

    assert (figure.value, figure.low, figure.high) == pytest.approx((500, 25, 975))
