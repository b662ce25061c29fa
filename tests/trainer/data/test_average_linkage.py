"""Hashes are joined while they are near on average, as by SciPy's linkage of all distances."""

import numpy as np
import pytest
from scipy.cluster.hierarchy import fcluster, linkage

from trainer.data.average_linkage import average_linkage

_BITS = 64
_MAX_DISTANCE = 10


def _flipped(hashes: np.ndarray, bits: int, rng: np.random.Generator) -> np.ndarray:
    changes = np.zeros_like(hashes)
    for change in changes:
        change[rng.choice(_BITS, bits, replace=False)] = 1
    return hashes ^ changes


def _same_pairs(groups: np.ndarray) -> np.ndarray:
    return groups[:, None] == groups


def test_groups_are_those_of_all_distances() -> None:
    """In groups that are far apart the order of joining is of no consequence."""
    rng = np.random.default_rng(0)
    centres = (rng.random((40, _BITS)) < 0.5).astype(np.uint8)
    hashes = np.concatenate([_flipped(centres, bits, rng) for bits in (0, 1, 2, 3, 4)])
    expected = fcluster(linkage(hashes, "average", "hamming"), _MAX_DISTANCE / _BITS, "distance")

    groups = average_linkage(hashes, _MAX_DISTANCE)

    assert (_same_pairs(groups) == _same_pairs(expected)).all()
    assert sorted(set(groups)) == list(range(40))


@pytest.mark.parametrize(("distance", "groups"), [(10, 1), (11, 2)])
def test_groups_up_to_the_distance_are_joined(distance: int, groups: int) -> None:
    """Two groups of two: the distance is the mean of four."""
    row = np.arange(_BITS)
    hashes = np.stack([row < bits for bits in (1, 2, distance + 1, distance + 2)]).astype(np.uint8)

    assert len(set(average_linkage(hashes, _MAX_DISTANCE))) == groups


def test_the_nearest_are_joined_first() -> None:
    """The third is 7 bits from the second, 8 from the fourth, and 9.5 from the first two together."""
    hashes = np.stack([np.arange(_BITS) < bits for bits in (0, 5, 12, 20)]).astype(np.uint8)

    assert average_linkage(hashes, _MAX_DISTANCE).tolist() == [0, 0, 1, 1]


def test_copies_of_one_slice_are_one_group() -> None:
    """All have the same nearest neighbour, which moves away from each with every one that joins it."""
    rng = np.random.default_rng(0)
    one = np.zeros((1, _BITS), np.uint8)
    hashes = np.concatenate([one, _flipped(np.repeat(one, 500, axis=0), 4, rng)])

    assert set(average_linkage(hashes, _MAX_DISTANCE)) == {0}


def test_equal_distances_come_to_an_end() -> None:
    """Each of these is as far from all others."""
    hashes = np.eye(_BITS, dtype=np.uint8)

    assert set(average_linkage(hashes, 1)) == set(range(_BITS))
    assert set(average_linkage(hashes, 2)) == {0}


def test_no_two_groups_are_left_that_near() -> None:
    """Slices that are alike in all degrees, so that groups grow while others look at them."""
    rng = np.random.default_rng(0)
    hashes = (rng.random((800, _BITS)) < np.where(np.arange(_BITS) % 8, 0.1, 0.5)).astype(np.uint8)

    groups = average_linkage(hashes, _MAX_DISTANCE)

    means = np.stack([hashes[groups == group].mean(axis=0) for group in np.unique(groups)])
    distances = means @ (1 - means.T) + (1 - means) @ means.T
    assert 10 < len(means) < 400
    assert (distances + _BITS * np.eye(len(means))).min() > _MAX_DISTANCE - 1e-3
