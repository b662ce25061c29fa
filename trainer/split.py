"""Seeded splits that keep near-duplicate groups whole."""

import numpy as np
from numpy.typing import NDArray

from trainer.errors import TooFewSlicesError


def held_out_rows(groups: NDArray[np.int64], labels: NDArray[np.int64], share: float, seed: int) -> NDArray[np.bool_]:
    """Chooses whole groups to hold out, alike in label and size to those that stay.

    Groups of one label are ordered by size, and one is drawn of each run of neighbours.

    Args:
      groups: int64 (N,), group of each slice.
      labels: int64 (N,), 0 or 1. A group counts as what most of its slices are.
      share: of the groups to hold out, in (0, 1); rounded up.
      seed: the same seed holds out the same groups.

    Returns:
      bool (N,), true where a slice is held out.

    Raises:
      TooFewSlicesError: a label would be missing on one of the two sides.
    """
    names, rows = np.unique(groups, return_inverse=True)
    sizes = np.bincount(rows)
    mostly_tumor = np.bincount(rows, labels) * 2 > sizes
    rng = np.random.default_rng(seed)
    held_out = np.zeros(len(names), np.bool_)
    for kind in (False, True):
        of_kind = rng.permutation(np.flatnonzero(mostly_tumor == kind))
        by_size = of_kind[np.argsort(sizes[of_kind], kind="stable")]
        for run in np.array_split(by_size, max(1, int(np.ceil(share * len(of_kind))))):
            held_out[rng.choice(run, min(1, len(run)))] = True
    mask = held_out[rows]
    if any(len(np.unique(labels[side])) < 2 for side in (mask, ~mask)):
        raise TooFewSlicesError(
            f"{len(labels)} slices in {len(names)} groups cannot be split with both labels on both sides; add slices"
        )
    return mask
