"""Seeded splits that keep near-duplicate groups whole."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainer.errors import TooFewSlicesError


@dataclass(frozen=True, slots=True)
class Sides:
    """Slices whose side is known from an earlier split. A group stays where any of its slices does.

    Attributes:
      staying: bool (N,), those that are not held out.
      held_out: bool (N,), those that are.
    """

    staying: NDArray[np.bool_]
    held_out: NDArray[np.bool_]


def held_out_rows(
    groups: NDArray[np.int64], labels: NDArray[np.int64], share: float, seed: int, known: Sides | None = None
) -> NDArray[np.bool_]:
    """Chooses whole groups to hold out, alike in label and size to those that stay.

    Groups of one label are ordered by size, and one is drawn of each run of neighbours.

    Args:
      groups: int64 (N,), group of each slice.
      labels: int64 (N,), 0 or 1. A group counts as what most of its slices are.
      share: of the groups to hold out, in (0, 1); rounded up.
      seed: the same seed holds out the same groups.
      known: groups of an earlier split keep their sides, and others are drawn only as far as the share asks for more.

    Returns:
      bool (N,), true where a slice is held out.

    Raises:
      TooFewSlicesError: a label would be missing on one of the two sides.
    """
    names, rows = np.unique(groups, return_inverse=True)
    sizes = np.bincount(rows)
    mostly_tumor = np.bincount(rows, labels) * 2 > sizes
    staying, held_out = _known_groups(rows, known)
    rng = np.random.default_rng(seed)
    for kind in (False, True):
        of_kind = mostly_tumor == kind
        drawable = rng.permutation(np.flatnonzero(of_kind & ~staying & ~held_out))
        wanted = int(np.ceil(share * of_kind.sum())) - int((of_kind & held_out).sum())
        if wanted > 0 and len(drawable):
            by_size = drawable[np.argsort(sizes[drawable], kind="stable")]
            for run in np.array_split(by_size, min(wanted, len(drawable))):
                held_out[rng.choice(run, 1)] = True
    mask = held_out[rows]
    if any(len(np.unique(labels[side])) < 2 for side in (mask, ~mask)):
        raise TooFewSlicesError(
            f"{len(labels)} slices in {len(names)} groups cannot be split with both labels on both sides; add slices"
        )
    return mask


def _known_groups(rows: NDArray[np.intp], known: Sides | None) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Returns which groups stay, and which are held out, whatever is drawn."""
    if known is None:
        count = int(rows.max()) + 1
        return np.zeros(count, np.bool_), np.zeros(count, np.bool_)
    staying = np.bincount(rows, known.staying) > 0
    return staying, (np.bincount(rows, known.held_out) > 0) & ~staying


def fold_numbers(groups: NDArray[np.int64], labels: NDArray[np.int64], folds: int, seed: int) -> NDArray[np.int64]:
    """Deals whole groups out to folds that are alike in label and size.

    Groups of one label are ordered by size, and each run of as many neighbours as there are folds is dealt out, one
    to each.

    Args:
      groups: int64 (N,), group of each slice.
      labels: int64 (N,), 0 or 1. A group counts as what most of its slices are.
      folds: how many, from 2.
      seed: the same seed deals alike.

    Returns:
      int64 (N,), fold of each slice, from 0.

    Raises:
      TooFewSlicesError: a label would be missing in a fold.
    """
    names, rows = np.unique(groups, return_inverse=True)
    sizes = np.bincount(rows)
    mostly_tumor = np.bincount(rows, labels) * 2 > sizes
    rng = np.random.default_rng(seed)
    dealt = np.zeros(len(names), np.int64)
    for kind in (False, True):
        of_kind = rng.permutation(np.flatnonzero(mostly_tumor == kind))
        by_size = of_kind[np.argsort(sizes[of_kind], kind="stable")]
        for at in range(0, len(by_size), folds):
            run = by_size[at : at + folds]
            dealt[run] = rng.permutation(folds)[: len(run)]
    numbers = dealt[rows]
    if any(len(np.unique(labels[numbers == fold])) < 2 for fold in range(folds)):
        raise TooFewSlicesError(
            f"{len(labels)} slices in {len(names)} groups cannot be dealt out to {folds} folds with both labels in each"
        )
    return numbers
