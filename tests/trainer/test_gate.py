"""The gate lets through what is good enough and no worse than the stable version."""

import time

import numpy as np
import pytest

from trainer.bootstrap import ACCURACY, AUC, SENSITIVITY, bootstrap
from trainer.dataset import Split
from trainer.evaluate import evaluate
from trainer.gate import Decision, gate
from trainer.roc import area_under_roc
from trainer.settings import TrainerSettings

_SLICES = 500
_BLESSED = Decision(True, ())


@pytest.fixture(scope="module")
def split() -> Split:
    """500 slices in groups of four, half of them tumors."""
    labels = np.arange(_SLICES) // 4 % 2
    return Split(np.zeros((_SLICES, 1, 1, 1), np.uint8), labels, np.arange(_SLICES) // 4, "fingerprint")


def _network(split: Split, wrong, spread: float = 0.0, seed: int = 0) -> dict[str, np.ndarray]:
    """Outputs that are right but for some slices, with scores that are noisy at will."""
    label = split.labels.copy()
    label[wrong] = 1 - label[wrong]
    score = np.clip(0.1 + 0.8 * label + spread * np.random.default_rng(seed).normal(size=len(label)), 0, 1)
    return {"probabilities": np.stack([1 - score, score], axis=1).astype(np.float32), "label": label}


def test_a_good_network_passes_where_there_is_no_other(split) -> None:
    assert gate(_network(split, slice(0, 5)), None, split, TrainerSettings(), 1) == _BLESSED


def test_an_equal_network_passes_though_no_loss_is_tolerated(split) -> None:
    network = _network(split, slice(0, 10), 0.1)
    settings = TrainerSettings(tolerated_accuracy_drop=0, tolerated_auc_drop=0, tolerated_sensitivity_drop=0)

    assert gate(network, network, split, settings, 1) == _BLESSED


def test_a_better_network_passes(split) -> None:
    assert gate(_network(split, slice(0, 2)), _network(split, slice(0, 40)), split, TrainerSettings(), 1) == _BLESSED


def test_a_network_that_is_not_good_enough_is_refused_with_figures(split) -> None:
    decision = gate(_network(split, slice(0, 100)), None, split, TrainerSettings(), 1)

    assert not decision.blessed
    assert [reason.split()[0] for reason in decision.reasons] == ["accuracy", "AUC", "sensitivity"]
    assert decision.reasons[0].startswith("accuracy is 0.8000 (90 % interval 0.7")
    assert decision.reasons[0].endswith("below the least of 0.9000")


@pytest.mark.parametrize(
    ("setting", "figure", "row"),
    [("min_accuracy", "accuracy", ACCURACY), ("min_auc", "AUC", AUC), ("min_sensitivity", "sensitivity", SENSITIVITY)],
)
def test_each_figure_has_a_least_value_of_its_own(split, setting, figure, row) -> None:
    """Which it may have."""
    network = _network(split, slice(0, 20), 0.2)
    (figures,) = bootstrap([network], split, 1)
    measured = float(figures[row][0])
    others = {"min_accuracy": 0.0, "min_auc": 0.0, "min_sensitivity": 0.0}

    assert gate(network, None, split, TrainerSettings(**others | {setting: measured}), 1) == _BLESSED
    (reason,) = gate(network, None, split, TrainerSettings(**others | {setting: measured + 1e-6}), 1).reasons
    assert reason.startswith(f"{figure} is ")


def test_a_perfect_network_is_refused_where_too_few_slices_say_so(split) -> None:
    few = Split(split.images[:60], split.labels[:60].copy(), split.groups[:60], split.fingerprint)
    few.labels[:] = np.arange(60) < 19

    assert gate(_network(few, []), None, few, TrainerSettings(), 1).reasons == (
        "the test split has 19 slices with a tumor and 41 without, "
        "and fewer than 20 of either show nothing; "
        "add slices, of which about 1 group of near-duplicates in 6 is held out to test on",
    )
    few.labels[19] = 1
    assert gate(_network(few, []), None, few, TrainerSettings(), 1) == _BLESSED


def test_a_network_that_is_certainly_worse_is_refused(split) -> None:
    """Although it is good enough by itself."""
    settings = TrainerSettings(min_auc=0.9)
    decision = gate(_network(split, slice(0, 36)), _network(split, slice(0, 4)), split, settings, 1)

    assert not decision.blessed
    assert decision.reasons[0].startswith(
        "accuracy is 0.9280, 0.0640 lower than the stable version's (90 % interval 0.03"
    )
    assert decision.reasons[0].endswith("more than the tolerated 0.0100")


@pytest.mark.parametrize(
    ("setting", "figure"),
    [
        ("tolerated_accuracy_drop", "accuracy"),
        ("tolerated_auc_drop", "AUC"),
        ("tolerated_sensitivity_drop", "sensitivity"),
    ],
)
def test_of_each_figure_a_loss_of_its_own_is_tolerated(split, setting, figure) -> None:
    """Although it is certain."""
    candidate, stable = _network(split, slice(0, 40), 0.35), _network(split, slice(0, 4))
    least = {"min_accuracy": 0.0, "min_auc": 0.0, "min_sensitivity": 0.0}
    drops = {"tolerated_accuracy_drop": 0.0, "tolerated_auc_drop": 0.0, "tolerated_sensitivity_drop": 0.0}

    refused = gate(candidate, stable, split, TrainerSettings(**least, **drops), 1).reasons
    tolerated = gate(candidate, stable, split, TrainerSettings(**least, **drops | {setting: 0.3}), 1).reasons

    assert [reason.split()[0] for reason in refused] == ["accuracy", "AUC", "sensitivity"]
    assert tolerated == tuple(reason for reason in refused if not reason.startswith(figure))


def test_a_network_that_may_be_worse_by_chance_passes(split) -> None:
    """Eight wrong slices more, but in two groups: that is two mistakes, not eight."""
    stable = _network(split, slice(0, 4))
    in_few_groups, in_many_groups = _network(split, slice(0, 12)), _network(split, np.r_[0:4, 40:400:20])

    assert gate(in_few_groups, stable, split, TrainerSettings(), 1) == _BLESSED
    assert not gate(in_many_groups, stable, split, TrainerSettings(), 1).blessed


def test_a_network_that_ranks_worse_is_refused_though_its_labels_are_the_same(split) -> None:
    stable, candidate = _network(split, slice(0, 4)), _network(split, slice(0, 4), 0.35)

    (reason,) = gate(candidate, stable, split, TrainerSettings(min_auc=0), 1).reasons

    assert reason.startswith("AUC is ")


def test_the_same_seed_decides_alike(split) -> None:
    candidate, stable = _network(split, slice(0, 36), 0.2), _network(split, slice(0, 4), 0.1)

    assert gate(candidate, stable, split, TrainerSettings(), 7) == gate(candidate, stable, split, TrainerSettings(), 7)


def test_resamples_without_one_label_are_left_out(split) -> None:
    """With one group of tumors a third of the resamples have none."""
    labels = np.r_[np.ones(4, np.int64), np.zeros(40, np.int64)]
    few = Split(split.images[:44], labels, np.arange(44) // 4, "")
    network, settings = _network(few, slice(0, 0)), TrainerSettings(min_test_slices=1)

    assert gate(network, network, few, settings, 1) == _BLESSED
    assert "sensitivity" in gate(_network(few, slice(0, 2)), network, few, settings, 1).reasons[-1]


@pytest.mark.parametrize("label", [0, 1])
def test_a_split_of_one_label_measures_nothing(split, label) -> None:
    rows = split.labels == label
    one = Split(split.images[rows], split.labels[rows], split.groups[rows], "")

    decision = gate(_network(one, slice(0, 0)), None, one, TrainerSettings(), 1)

    assert decision.reasons == ("the test split lacks slices of one label, so nothing can be measured",)


def test_figures_of_the_split_itself_are_those_of_evaluate(split) -> None:
    network = _network(split, slice(0, 30), 0.3)
    expected = evaluate(network, split.labels)
    (figures,) = bootstrap([network], split, 1)

    assert figures[ACCURACY][0] == pytest.approx(expected.accuracy)
    assert figures[AUC][0] == pytest.approx(expected.auc)
    assert figures[SENSITIVITY][0] == pytest.approx(expected.sensitivity)


def test_a_resample_counts_groups_as_often_as_they_are_drawn(split) -> None:
    """Checked against slices that are repeated for real."""
    small = Split(split.images[:40], split.labels[:40], split.groups[:40], "")
    network = _network(small, slice(0, 6), 0.4)
    (figures,) = bootstrap([network], small, 3)
    drawn = np.random.default_rng(3).multinomial(10, np.full(10, 0.1), 1000)

    for resample in range(0, 1000, 97):
        rows = np.repeat(np.arange(40), drawn[resample][small.groups])
        truth = small.labels[rows] == 1
        assert figures[ACCURACY][1 + resample] == pytest.approx((network["label"][rows] == truth).mean())
        assert figures[AUC][1 + resample] == pytest.approx(area_under_roc(network["probabilities"][rows, 1], truth))


def test_a_decision_takes_about_a_second(split) -> None:
    """Against 20 s for one resample after the other in Python; the rest of the bound is for a busy machine."""
    began_at = time.process_time()
    gate(_network(split, slice(0, 36), 0.2), _network(split, slice(0, 4), 0.1), split, TrainerSettings(), 1)

    assert time.process_time() - began_at < 3
