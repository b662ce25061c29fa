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
        Where that left less than half, or more than twice, of what was asked for, all are drawn anew.

    Returns:
      bool (N,), true where a slice is held out.

    Raises:
      TooFewSlicesError: a label would be missing on one of the two sides.
    """
    nowhere = np.zeros(len(groups), np.bool_)
    sides = [Sides(nowhere, nowhere)] if known is None else [known, Sides(nowhere, nowhere)]
    for earlier in sides:
        held_out, wanted = _drawn(groups, labels, share, seed, earlier)
        both_labels = all(len(np.unique(labels[side])) == 2 for side in (held_out, ~held_out))
        if both_labels and wanted <= 2 * len(np.unique(groups[held_out])) <= 4 * wanted:
            return held_out
    raise TooFewSlicesError(
        f"{len(labels)} slices in {len(np.unique(groups))} groups cannot be split with both labels on both sides; "
        "add slices"
    )


def _drawn(
    groups: NDArray[np.int64], labels: NDArray[np.int64], share: float, seed: int, known: Sides
) -> tuple[NDArray[np.bool_], int]:
    """Returns bool (N,), true where a slice is held out, and how many groups ought to be."""
    _, rows = np.unique(groups, return_inverse=True)
    sizes = np.bincount(rows)
    mostly_tumor = np.bincount(rows, labels) * 2 > sizes
    staying = np.bincount(rows, known.staying) > 0
    held_out = (np.bincount(rows, known.held_out) > 0) & ~staying
    rng = np.random.default_rng(seed)
    wanted_of_all = 0
    for kind in (False, True):
        of_kind = mostly_tumor == kind
        wanted = int(np.ceil(share * of_kind.sum()))
        wanted_of_all += wanted
        drawable = rng.permutation(np.flatnonzero(of_kind & ~staying & ~held_out))
        lacking = min(wanted - int((of_kind & held_out).sum()), len(drawable))
        if lacking > 0:
            by_size = drawable[np.argsort(sizes[drawable], kind="stable")]
            for run in np.array_split(by_size, lacking):
                held_out[rng.choice(run, 1)] = True
    return held_out[rows], wanted_of_all


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
