"""The area under the curve is the share of pairs in which the tumor scores higher."""

import numpy as np
import pytest

from trainer.roc import area_under_roc


def test_the_area_under_the_curve_counts_ties_half() -> None:
    assert area_under_roc(np.array([0.1, 0.5, 0.5, 0.9]), np.array([False, False, True, True])) == 0.875


def test_the_area_is_that_of_all_pairs() -> None:
    rng = np.random.default_rng(0)
    scores, truth = rng.integers(0, 9, 40) / 8, rng.random(40) < 0.4
    pairs = scores[truth][:, None] - scores[~truth]

    assert area_under_roc(scores, truth) == pytest.approx(((pairs > 0) + (pairs == 0) / 2).mean())
