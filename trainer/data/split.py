"""Seeded splits that keep near-duplicate groups whole."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainer.errors import TooFewSlicesError

TEST_SHARE = 0.16
"""Of the near-duplicate groups that become the test split."""

VALIDATION_SHARE = 0.12
"""Of the training split's groups; they steer early stopping and calibration."""

_CLASSES = ("0 (No Tumor)", "1 (Tumor)")
"""As the label file and as verdicts have them."""

_DRAWS = 20
"""At most. Where a label is most of no group, a draw does not look after it, and may leave it on one side."""

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Sides:
    """The sides that slices of an earlier split were on, by the groups that they are in now.

    New slices may join old groups to one that was on both sides; it goes where most of its slices were.

    Attributes:
      staying: int64 (M,), group of each slice that was not held out.
      held_out: int64 (K,), group of each that was.
    """

    staying: NDArray[np.int64]
    held_out: NDArray[np.int64]


_NO_SIDES = Sides(np.empty(0, np.int64), np.empty(0, np.int64))
"""Of a first split."""


def held_out_rows(
    groups: NDArray[np.int64], labels: NDArray[np.int64], share: float, seed: int, known: Sides = _NO_SIDES
) -> NDArray[np.bool_]:
    """Chooses whole groups to hold out, alike in label and size to those that stay.

    Groups of one label are ordered by size, and one is drawn of each run of neighbours. A group that has more than half
    of all slices is never drawn.

    Args:
      groups: int64 (N,), group of each slice.
      labels: int64 (N,), 0 or 1. A group counts as what most of its slices are.
      share: of the groups to hold out, in (0, 1); rounded up.
      seed: the same seed holds out the same groups.
      known: groups of an earlier split keep their sides, and others are drawn only as far as the share asks for more.
        Where that held out less than half, or more than twice, of what is asked for, all are drawn anew.

    Returns:
      bool (N,), true where a slice is held out.

    Raises:
      TooFewSlicesError: a label would be missing on one of the two sides.
    """
    names, rows = np.unique(groups, return_inverse=True)
    sizes = np.bincount(rows)
    mostly_tumor, is_most = np.bincount(rows, labels) * 2 > sizes, sizes * 2 > len(rows)
    kinds = [~mostly_tumor & ~is_most, mostly_tumor & ~is_most]
    rng = np.random.default_rng(seed)
    for _ in range(_DRAWS):
        held_out = _drawn(kinds, sizes, share, rng, _known_groups(names, known))
        mask = np.asarray(held_out[rows])
        if _has_both_labels(labels, mask) and _suffices(held_out, kinds, share):
            return mask
    if known.staying.size or known.held_out.size:
        _logger.info("too little or too much would be held out after the earlier split; all is drawn anew")
        return held_out_rows(groups, labels, share, seed)
    raise _too_few(groups, labels, "split with both labels on both sides")


def validation_rows(groups: NDArray[np.int64], labels: NDArray[np.int64], seed: int) -> NDArray[np.bool_]:
    """Chooses whole groups of the training split to validate on; arguments and answer as those of held_out_rows.

    Raises:
      TooFewSlicesError: a label would be missing on one of the two sides.
    """
    try:
        return held_out_rows(groups, labels, VALIDATION_SHARE, seed)
    except TooFewSlicesError as err:
        raise TooFewSlicesError(f"the training split leaves nothing to validate on: {err}") from err


def _known_groups(names: NDArray[np.int64], known: Sides) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Returns which groups are known, so that none of them is drawn, and which of these are held out."""
    stayed, held_out = (
        np.bincount(np.searchsorted(names, members[np.isin(members, names)]), minlength=len(names))
        for members in (known.staying, known.held_out)
    )
    return stayed + held_out > 0, held_out > stayed


def _drawn(
    kinds: Sequence[NDArray[np.bool_]],
    sizes: NDArray[np.intp],
    share: float,
    rng: np.random.Generator,
    known: tuple[NDArray[np.bool_], NDArray[np.bool_]],
) -> NDArray[np.bool_]:
    """Returns which groups are held out: those that are known to be, and as many more as the share asks for."""
    is_known, held_out = known
    for of_kind in kinds:
        drawable = _by_size(of_kind & ~is_known, sizes, rng)
        lacking = min(_wanted(of_kind, share) - int((of_kind & held_out).sum()), len(drawable))
        if lacking > 0:
            for run in np.array_split(drawable, lacking):
                held_out[rng.choice(run, 1)] = True
    return held_out


def _by_size(chosen: NDArray[np.bool_], sizes: NDArray[np.intp], rng: np.random.Generator) -> NDArray[np.intp]:
    """Returns the chosen groups, the smallest first, and those of one size in random order."""
    shuffled = rng.permutation(np.flatnonzero(chosen))
    return shuffled[np.argsort(sizes[shuffled], kind="stable")]


def _wanted(of_kind: NDArray[np.bool_], share: float) -> int:
    return int(np.ceil(share * of_kind.sum()))


def _suffices(held_out: NDArray[np.bool_], kinds: Sequence[NDArray[np.bool_]], share: float) -> bool:
    """Tells whether at least half, and at most twice, of what is asked for is held out of each kind."""
    counts = ((_wanted(of_kind, share), (of_kind & held_out).sum()) for of_kind in kinds)
    return all(wanted <= 2 * count <= 4 * wanted for wanted, count in counts)


def _too_few(groups: NDArray[np.int64], labels: NDArray[np.int64], wanted: str) -> TooFewSlicesError:
    """Makes the error that says why slices in these groups cannot be parted as wanted."""
    without, tumors = np.bincount(labels, minlength=2).tolist()
    if not without or not tumors:
        return TooFewSlicesError(f"there are no slices of class {_CLASSES[not tumors]}; add some")
    of_class = [len(np.unique(groups[labels == label])) for label in (0, 1)]
    return TooFewSlicesError(
        f"{without} slice{'s' * (without > 1)} of class {_CLASSES[0]} and {tumors} of class {_CLASSES[1]} "
        f"cannot be {wanted}: near-duplicates stay together, and class 0 is in {of_class[0]} of "
        f"{len(np.unique(groups))} groups of them, class 1 in {of_class[1]}; add slices"
    )


def _has_both_labels(labels: NDArray[np.int64], held_out: NDArray[np.bool_]) -> bool:
    return all(len(np.unique(labels[side])) == 2 for side in (held_out, ~held_out))


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
        by_size = _by_size(mostly_tumor == kind, sizes, rng)
        for at in range(0, len(by_size), folds):
            run = by_size[at : at + folds]
            dealt[run] = rng.permutation(folds)[: len(run)]
    numbers = dealt[rows]
    if any(len(np.unique(labels[numbers == fold])) < 2 for fold in range(folds)):
        raise _too_few(groups, labels, f"dealt out to {folds} folds with both labels in each")
    return numbers
