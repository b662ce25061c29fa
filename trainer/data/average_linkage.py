"""Average linkage of many hashes, in memory that grows with their number and not with that of their pairs."""

import numpy as np
from numpy.typing import NDArray

_BLOCK_VALUES, _MAX_BLOCK = 2**24, 256
"""Distances that are held at a time, 64 MB of them, and of how many hashes at most."""
_ROUNDING = 1e-3
"""In bits; of one distance that is computed in two ways."""


def average_linkage(bits: NDArray[np.uint8], max_distance: int) -> NDArray[np.int64]:
    """Groups hashes by average linkage, nearest first as far as whole bits tell.

    All groups up to one bit apart are joined, then all up to two, and so on; within a bit the order is open. Each group
    looks for its nearest one among all, and again only where that has changed: two to five distances are computed for
    each pair of hashes, by products of matrices.

    Args:
      bits: (N, B), 0 or 1.
      max_distance: largest mean distance between two groups that are joined, in bits.

    Returns:
      int64 (N,), a group number from 0 for each hash.

    Source: the reducibility of average linkage, which lets groups be joined out of order: Murtagh, "A Survey of Recent
      Advances in Hierarchical Clustering Algorithms" (1983).
    """
    groups = _Groups(bits)
    for distance in range(1, max_distance + 1):
        while groups.join(distance):
            pass
    return groups.numbers()


class _Groups:
    """Groups of hashes. Each goes by the row of one of its hashes, its root, and holds the means of their bits.

    The mean distance of two groups with means p and q is sum(p) + sum(q) - 2 p.q. To a group that was joined of two it
    is never less than to the nearer of these, so the distance to a nearest one that has changed is still a lower bound.
    """

    def __init__(self, bits: NDArray[np.uint8]) -> None:
        count = len(bits)
        self._means = bits.astype(np.float32)
        self._sizes = np.ones(count)
        self._parents = np.arange(count)
        self._nearest = np.arange(count)
        self._distances = np.zeros(count, np.float32)
        self._is_outdated = np.ones(count, np.bool_)

    def join(self, distance: float) -> bool:
        """Joins groups that are no farther apart, each with its nearest one; False where there are none."""
        roots = self._roots()
        self._look_around(roots, roots[self._is_outdated[roots] & (self._distances[roots] <= distance)])
        near = roots[~self._is_outdated[roots] & (self._distances[roots] <= distance)]
        has_changed = np.zeros(len(self._parents), np.bool_)
        for row in near[np.argsort(self._distances[near], kind="stable")].tolist():
            pair = self._root(row), self._root(int(self._nearest[row]))
            # Either may have grown meanwhile.
            if pair[0] != pair[1] and self._distance(*pair) <= distance + _ROUNDING:
                self._unite(*pair)
                has_changed[list(pair)] = True
        self._is_outdated |= has_changed | has_changed[self._nearest]
        return bool(len(near))

    def numbers(self) -> NDArray[np.int64]:
        """Returns the number of each hash's group, (N,)."""
        roots = [self._root(row) for row in range(len(self._parents))]
        return np.unique(roots, return_inverse=True)[1].astype(np.int64)

    def _look_around(self, roots: NDArray[np.intp], rows: NDArray[np.intp]) -> None:
        """Finds the nearest of all groups to some of them."""
        sums = self._means.sum(axis=1)
        others = np.concatenate([self._means[roots], sums[roots, None] / -2], axis=1).T.copy()
        size = max(1, min(_MAX_BLOCK, _BLOCK_VALUES // len(roots)))
        for at in range(0, len(rows), size):
            block = rows[at : at + size]
            each = np.arange(len(block))
            likeness = np.pad(self._means[block], ((0, 0), (0, 1)), constant_values=1) @ others
            likeness[each, np.searchsorted(roots, block)] = -np.inf
            best = likeness.argmax(axis=1)
            self._nearest[block] = roots[best]
            self._distances[block] = sums[block] - 2 * likeness[each, best]
        self._is_outdated[rows] = False

    def _unite(self, one: int, other: int) -> None:
        if self._sizes[one] < self._sizes[other]:
            one, other = other, one
        self._sizes[one] += self._sizes[other]
        self._means[one] += (self._means[other] - self._means[one]) * (self._sizes[other] / self._sizes[one])
        self._distances[one] = min(self._distances[one], self._distances[other])
        self._parents[other] = one

    def _distance(self, one: int, other: int) -> float:
        p, q = self._means[one], self._means[other]
        return float(p.sum() + q.sum() - 2 * (p @ q))

    def _roots(self) -> NDArray[np.intp]:
        return np.flatnonzero(self._parents == np.arange(len(self._parents)))

    def _root(self, row: int) -> int:
        while (parent := int(self._parents[row])) != row:
            row = parent
        return row
