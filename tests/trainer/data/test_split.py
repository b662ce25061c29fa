"""Splits keep groups whole, hold out the asked-for share, and repeat with their seed."""

import numpy as np
import pytest
from numpy.typing import NDArray

from trainer.data.split import Sides, fold_numbers, held_out_rows, validation_rows
from trainer.errors import TooFewSlicesError

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


@pytest.mark.parametrize("seed", range(5))
def test_known_groups_keep_their_sides_and_others_fill_up_the_share(seed: int) -> None:
    known = Sides(staying=np.arange(30), held_out=np.arange(30, 34))

    held_out = held_out_rows(_GROUPS, _LABELS, 0.16, seed, known)

    assert not held_out[_GROUPS < 30].any()
    assert held_out[np.isin(_GROUPS, known.held_out)].all()
    assert len(np.unique(_GROUPS[held_out])) == 7 + 4  # of 40 groups without tumor and 20 with


def test_a_group_of_both_sides_goes_where_most_of_it_was() -> None:
    known = Sides(staying=np.array([3, 3, 4, 99]), held_out=np.array([0, 1, 2, 3, 4, 4, 5, 6, 99, 99]))

    held_out = held_out_rows(_GROUPS, _LABELS, 0.16, 1, known)

    assert not held_out[_GROUPS == 3].any()
    assert held_out[np.isin(_GROUPS, [0, 1, 2, 4, 5, 6])].all()


@pytest.mark.parametrize("seed", range(5))
def test_a_group_that_was_on_both_sides_alike_stays(seed: int) -> None:
    """A network was fitted to half of it, so it is none to test that one on."""
    both = np.arange(50)

    held_out = held_out_rows(_GROUPS, _LABELS, 0.16, seed, Sides(both, both))

    assert set(_GROUPS[held_out]) <= set(range(50, 60))


@pytest.mark.parametrize(
    "held_out",
    [
        pytest.param(np.arange(0), id="none"),
        pytest.param(np.arange(60), id="all"),
        pytest.param(np.arange(30), id="half"),
        pytest.param(np.arange(4), id="few"),
        pytest.param(np.flatnonzero(np.arange(60) % 3)[:7], id="without tumor"),
        pytest.param(np.r_[np.flatnonzero(np.arange(60) % 3)[:15], 0:12:3], id="more than twice"),
    ],
)
def test_where_too_little_or_too_much_would_be_held_out_all_are_drawn_anew(
    held_out: NDArray[np.int64], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    known = Sides(np.setdiff1d(np.arange(60), held_out), held_out)

    assert (held_out_rows(_GROUPS, _LABELS, 0.16, 1, known) == held_out_rows(_GROUPS, _LABELS, 0.16, 1)).all()
    assert "drawn anew" in caplog.text


@pytest.mark.parametrize(("healthy", "tumors"), [(4, 2), (14, 8)])
def test_half_and_twice_of_what_is_asked_for_are_kept(healthy: int, tumors: int) -> None:
    """Of 7 groups without tumor and 4 with."""
    is_tumor = np.array([_LABELS[group == _GROUPS].mean() > 0.5 for group in range(60)])
    held_out = np.concatenate([np.flatnonzero(~is_tumor)[:healthy], np.flatnonzero(is_tumor)[:tumors]])
    known = Sides(np.setdiff1d(np.arange(60), held_out), held_out)

    assert (held_out_rows(_GROUPS, _LABELS, 0.16, 1, known) == np.isin(_GROUPS, held_out)).all()


def test_too_few_groups_are_an_error() -> None:
    counted = r"3 slices of class 0 \(No Tumor\) and 1 of class 1 \(Tumor\) cannot be split"
    told = rf"{counted} .*: near-duplicates .* 2 of 3 .* 1 in 1; add slices$"
    with pytest.raises(TooFewSlicesError, match=told):
        held_out_rows(np.array([0, 0, 1, 2]), np.array([0, 0, 0, 1]), 0.16, 0)
    with pytest.raises(TooFewSlicesError, match=r"^1 slice of class 0 .* and 2 of class 1 "):
        held_out_rows(np.array([0, 0, 1]), np.array([0, 1, 1]), 0.16, 0)
    with pytest.raises(TooFewSlicesError, match=r"class 0 is in 1 of 1 groups of them, class 1 in 1; add slices$"):
        held_out_rows(np.zeros(80, np.int64), np.arange(80) % 2, 0.16, 0)


@pytest.mark.parametrize("tumors", [40, 80])
@pytest.mark.parametrize("seed", range(5))
def test_a_group_that_has_most_of_all_slices_stays(tumors: int, seed: int) -> None:
    """The others have both labels, so there is enough to hold out without it, whatever it counts as."""
    groups = np.array([*[0] * 100, *np.repeat(np.arange(1, 9), 3)])
    labels = np.array([*(np.arange(100) < tumors), *(np.arange(24) % 3 == 0)], np.int64)

    held_out = held_out_rows(groups, labels, 0.16, seed)

    assert 0 < held_out.sum() < 12
    assert not held_out[groups == 0].any()


def test_of_two_groups_that_have_half_of_all_slices_each_one_is_held_out() -> None:
    assert held_out_rows(np.arange(8) % 2, np.arange(8) // 4, 0.16, 0).sum() == 4


@pytest.mark.parametrize("seed", range(5))
def test_a_label_in_one_group_alone_is_an_error_on_whichever_side_it_would_be(seed: int) -> None:
    with pytest.raises(TooFewSlicesError, match="class 0 is in 6 of 6 groups of them, class 1 in 1;"):
        held_out_rows(np.repeat(np.arange(6), 3), np.eye(1, 18, dtype=np.int64)[0], 0.16, seed)


@pytest.mark.parametrize("seed", range(5))
def test_a_group_counts_as_what_most_of_its_slices_are(seed: int) -> None:
    groups, labels = np.repeat(np.arange(20), 5), np.array([*[0, 0, 0, 1, 1] * 10, *[0, 0, 1, 1, 1] * 10])

    held_out, folds = held_out_rows(groups, labels, 0.1, seed), fold_numbers(groups, labels, 5, seed)

    assert labels[held_out].sum() == 2 + 3
    assert np.bincount(folds, labels).tolist() == [2 * (2 + 3)] * 5


def test_a_label_that_is_in_few_groups_and_most_of_none_is_parted_whatever_the_seed() -> None:
    groups, labels = np.repeat(np.arange(26), 8), np.array([0] * 20 * 8 + [1, 1, 1, 0, 0, 0, 0, 0] * 6)

    for seed in range(50):
        staying = ~held_out_rows(groups, labels, 0.16, seed)
        validation_rows(groups[staying], labels[staying], seed)


def test_a_group_that_has_as_many_of_either_label_counts_as_one_without_tumor() -> None:
    groups, labels = np.repeat(np.arange(40), 2), np.array([0, 1] * 20 + [1, 1] * 20)

    held_out = held_out_rows(groups, labels, 0.16, 0)

    assert np.bincount(groups[held_out] // 20).tolist() == [8, 8]


@pytest.mark.parametrize(("label", "name"), [(0, "No Tumor"), (1, "Tumor")])
def test_a_label_without_slices_is_told_as_such(label: int, name: str) -> None:
    with pytest.raises(TooFewSlicesError, match=rf"^there are no slices of class {label} \({name}\); add some$"):
        held_out_rows(np.arange(9), np.full(9, 1 - label), 0.16, 0)


def test_a_training_split_without_slices_to_validate_on_is_told_as_such() -> None:
    assert validation_rows(np.arange(4), np.arange(4) % 2, 0).sum() == 2
    with pytest.raises(TooFewSlicesError, match=r"^the training split leaves nothing to validate on: 3 slices of"):
        validation_rows(np.arange(4), np.arange(4) // 3, 0)


def test_about_one_group_in_eight_of_each_label_is_validated_on() -> None:
    held_out = validation_rows(np.arange(200), np.arange(200) % 2, 0)

    assert [held_out[label::2].sum() for label in (0, 1)] == [12, 12]


@pytest.mark.parametrize("seed", range(5))
def test_folds_are_whole_groups_alike_in_label_and_size(seed: int) -> None:
    numbers = fold_numbers(_GROUPS, _LABELS, 5, seed)

    assert all(len(set(numbers[group == _GROUPS])) == 1 for group in set(_GROUPS))
    assert set(numbers) == set(range(5))
    for fold in range(5):
        assert 0.12 < (numbers == fold).mean() < 0.28
        assert abs(_LABELS[numbers == fold].mean() - _LABELS.mean()) < 0.15


@pytest.mark.parametrize("seed", range(5))
def test_large_groups_are_dealt_out_before_a_fold_has_two(seed: int) -> None:
    groups = np.repeat(np.arange(40), [*[50] * 10, *[2] * 30])

    numbers = fold_numbers(groups, groups % 2, 5, seed)

    assert (np.bincount(numbers) == 2 * 50 + 6 * 2).all()


def test_the_seed_deals_the_folds() -> None:
    first, again, other = (fold_numbers(_GROUPS, _LABELS, 5, seed) for seed in (1, 1, 2))

    assert (first == again).all()
    assert (first != other).any()


def test_more_folds_than_groups_of_a_label_are_an_error() -> None:
    counted = r"8 slices of class 0 \(No Tumor\) and 4 of class 1 \(Tumor\)"
    with pytest.raises(TooFewSlicesError, match=rf"{counted} cannot .* 5 folds .* 8 of 12 groups"):
        fold_numbers(np.arange(12), np.array([0] * 8 + [1] * 4), 5, 0)
