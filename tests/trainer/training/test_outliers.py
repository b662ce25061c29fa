"""Outliers are pictures, of many kinds, and none of them is the slice that they were made of."""

import numpy as np
import pytest

from trainer.data.synthetic import synthetic_slice
from trainer.training.outliers import KINDS, outlier

_SLICE = synthetic_slice(3, lesion=True)[::2, ::2, 0].astype(np.float32) / 255


@pytest.mark.parametrize("kind", dict.fromkeys(KINDS), ids=lambda kind: kind.__name__.strip("_"))
def test_every_kind_makes_another_picture_of_the_same_size(kind: object) -> None:
    assert callable(kind)
    for seed in range(20):
        made = np.clip(kind(_SLICE.copy(), np.random.default_rng(seed)), 0, 1)

        assert made.shape == _SLICE.shape
        assert np.isfinite(made).all()
        assert np.abs(made - _SLICE).max() > 0.2


@pytest.mark.parametrize("kind", dict.fromkeys(KINDS), ids=lambda kind: kind.__name__.strip("_"))
def test_every_kind_takes_a_black_slice(kind: object) -> None:
    """As the top of a head is, once it is resized."""
    assert callable(kind)
    black = np.zeros((120, 120), np.float32)
    for seed in range(20):
        made = kind(black.copy(), np.random.default_rng(seed))

        assert made.shape == black.shape
        assert np.isfinite(made).all()


def test_the_same_generator_makes_the_same_outliers() -> None:
    first, second = ([outlier(_SLICE, rng) for _ in range(30)] for rng in map(np.random.default_rng, (5, 5)))

    np.testing.assert_array_equal(np.stack(first), np.stack(second))
    assert first[0].dtype == np.float32


def test_a_slice_near_the_crown_is_turned_onto_its_side_and_not_over() -> None:
    """It looks alike upside down: who is taught to refuse that comes to doubt all slices near the crown."""
    upside_down = next(kind for kind in KINDS if kind.__name__ == "_upside_down")
    crown = np.zeros((120, 120), np.float32)
    crown[40:80, 55:65] = 0.8  # longer than wide

    for seed in range(20):
        made = upside_down(crown, np.random.default_rng(seed)) > 0.4
        tall, wide = (np.ptp(np.flatnonzero(made.any(axis=axis))) for axis in (1, 0))
        assert wide > 0.8 * tall  # as from 38 degrees on, and not a quarter of it
