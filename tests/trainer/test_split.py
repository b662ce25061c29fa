"""Splits keep groups whole, hold out the asked-for share, and repeat with their seed."""

import numpy as np
import pytest

from trainer.errors import TooFewSlicesError
from trainer.split import held_out_rows

_RNG = np.random.default_rng(5)
_GROUPS = _RNG.integers(0, 60, 400)
_LABELS = (_GROUPS % 3 == 0).astype(np.int64)


@pytest.mark.parametrize("seed", range(5))
def test_no_group_is_torn_apart(seed: int) -> None:
    held_out = held_out_rows(_GROUPS, _LABELS, 0.16, seed)

    assert not set(_GROUPS[held_out]) & set(_GROUPS[~held_out])


@pytest.mark.parametrize("seed", range(5))
def test_the_share_holds_for_groups_and_nearly_for_slices(seed: int) -> None:
    held_out = held_out_rows(_GROUPS, _LABELS, 0.16, seed)

    assert len(np.unique(_GROUPS[held_out])) >= 0.16 * len(np.unique(_GROUPS))
    assert 0.1 < held_out.mean() < 0.25
    assert abs(_LABELS[held_out].mean() - _LABELS.mean()) < 0.1


def test_the_seed_decides() -> None:
    first, again, other = (held_out_rows(_GROUPS, _LABELS, 0.16, seed) for seed in (1, 1, 2))

    assert (first == again).all()
    assert (first != other).any()


def test_too_few_groups_are_an_error() -> None:
    with pytest.raises(TooFewSlicesError, match="2 groups"):
        held_out_rows(np.array([0, 0, 1]), np.array([0, 0, 1]), 0.16, 0)
