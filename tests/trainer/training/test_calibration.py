"""Calibration finds the temperature, covers each class, and knows near from far."""

import dataclasses
import tracemalloc

import numpy as np
import pytest

from trainer.training.calibration import (
    COVERAGE,
    CRITIC_SHARE,
    LEAST_SATURATION,
    SATURATION_SHARE,
    THRESHOLDS,
    NetworkOutputs,
    _conformal,
    _threshold,
    at_temperature,
    calibrate,
    ood_scores,
)


def _outputs(seed: int, sharpness: float) -> NetworkOutputs:
    """A network that is right as often as it says at sharpness 1, and overconfident above."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, 4000)
    labels = (rng.random(4000) < 1 / (1 + np.exp(-logits))).astype(np.int64)
    tumor = 1 / (1 + np.exp(-logits * sharpness))
    embeddings = rng.normal(size=(4000, 6)) * [1, 2, 3, 1, 1, 1] + labels[:, None] * 4
    probabilities = np.stack([1 - tumor, tumor], axis=1).astype(np.float32)
    criticisms, saturation = rng.normal(-5, 1, 4000), rng.uniform(0, 0.5, 4000)
    return NetworkOutputs(
        probabilities,
        embeddings.astype(np.float32),
        criticisms.astype(np.float32),
        saturation.astype(np.float32),
        labels,
    )


@pytest.mark.parametrize("sharpness", [2.5, 0.5])
def test_the_temperature_undoes_what_is_too_sure_or_not_sure_enough(sharpness: float) -> None:
    calibration = calibrate(_outputs(0, sharpness), _outputs(1, sharpness))

    assert abs(calibration.temperature / sharpness - 1) < 0.1


def test_the_threshold_is_one_of_calibrated_probabilities() -> None:
    sure, too_sure = (calibrate(_outputs(0, sharpness), _outputs(1, sharpness)) for sharpness in (1, 2.5))

    assert abs(too_sure.threshold - sure.threshold) < 0.01


def test_conformal_sets_hold_the_truth_as_often_as_promised() -> None:
    calibration = calibrate(_outputs(0, 1), _outputs(1, 1))
    fresh = _outputs(2, 1)
    probabilities = at_temperature(fresh.probabilities, calibration.temperature)

    for label in (0, 1):
        of_class = fresh.labels == label
        covered = 1 - probabilities[of_class, label] <= calibration.conformal[label]
        assert abs(covered.mean() - COVERAGE) < 0.02


@pytest.mark.parametrize(("slices", "limit"), [(19, 0.19), (18, 1.0)])
def test_of_few_slices_the_largest_score_is_the_limit_and_of_fewer_all_stays_open(slices: int, limit: float) -> None:
    """One more slice would have a score beyond the largest of n with a probability of 1 / (n + 1)."""
    scores = np.arange(1, slices + 1) / 100
    probabilities = np.tile(np.stack([1 - scores, 1 - scores], axis=1), (2, 1))

    conformal = _conformal(probabilities, np.repeat([0, 1], slices))

    np.testing.assert_allclose(conformal, limit, rtol=1e-6)


def test_an_embedding_is_as_far_as_the_nearest_mean() -> None:
    means = np.array([[0.0, 0.0], [30.0, 40.0]])

    np.testing.assert_allclose(ood_scores(np.array([[3.0, 4.0], [30.0, 40.0]]), means, np.eye(2)), [5, 0])


def test_far_embeddings_score_above_one_and_familiar_ones_below() -> None:
    calibration = calibrate(_outputs(0, 1), _outputs(1, 1))
    familiar = ood_scores(_outputs(2, 1).embeddings, calibration.means, calibration.precision)
    far = ood_scores(np.full((1, 6), 40.0), calibration.means, calibration.precision)

    assert (familiar > 1).mean() < 0.02
    assert far[0] > 3


def test_the_critics_limit_lets_familiar_slices_pass() -> None:
    calibration = calibrate(_outputs(0, 1), _outputs(1, 1))

    assert abs((_outputs(2, 1).criticisms <= calibration.critic_limit).mean() - CRITIC_SHARE) < 0.01


def test_no_more_may_be_white_than_in_most_slices_or_than_a_fifth() -> None:
    fitted, validation = _outputs(0, 1), _outputs(1, 1)
    dark = dataclasses.replace(validation, saturation=validation.saturation / 10)

    limit = calibrate(fitted, validation).saturation_limit

    assert abs((_outputs(2, 1).saturation <= limit).mean() - SATURATION_SHARE) < 0.01
    assert calibrate(fitted, dark).saturation_limit == LEAST_SATURATION


def test_the_threshold_weighs_a_missed_tumor_more_than_a_false_alarm() -> None:
    """Of slices at 0.42 half are tumors: worth the false alarms. Of those at 0.33 one in five is: not worth them."""
    tumor = np.repeat([0.01, 0.33, 0.42, 0.99], 100)
    labels = np.concatenate([np.zeros(100), np.arange(100) % 5 == 0, np.arange(100) % 2, np.ones(100)]).astype(np.int64)
    probabilities = np.stack([1 - tumor, tumor], axis=1).astype(np.float32)
    validation = NetworkOutputs(probabilities, _outputs(1, 1).embeddings[:400], tumor, np.zeros(400), labels)

    calibration = calibrate(_outputs(0, 1), validation)

    at_stake = at_temperature(probabilities, calibration.temperature)[[100, 200], 1]
    assert at_stake[0] < calibration.threshold <= at_stake[1]
    assert THRESHOLDS[0] <= calibration.threshold <= THRESHOLDS[1]


def test_the_threshold_lies_in_one_run_of_the_best() -> None:
    """Below 0.35 are two false alarms, above 0.45 is one missed tumor, and between them, in the middle, are both."""
    tumor = np.array([0.01, 0.35, 0.45, 0.45, 0.99])
    labels = np.array([0, 1, 0, 0, 1])

    threshold = _threshold(tumor, labels)

    assert threshold <= 0.35 or threshold > 0.45


def test_the_threshold_lies_in_the_widest_run_of_the_best() -> None:
    """Up to 0.32 are two false alarms, above 0.38 is one missed tumor, and between them are both."""
    tumor = np.array([0.01, 0.32, 0.38, 0.38, 0.99])
    labels = np.array([0, 1, 0, 0, 1])

    assert _threshold(tumor, labels) > 0.38


def test_the_distance_takes_no_copies_of_a_large_training_split() -> None:
    """Of a million slices one copy in 64 bits is a gigabyte."""
    rows = np.tile(np.arange(4000), 100)
    small = _outputs(0, 1)
    large = NetworkOutputs(*(getattr(small, field.name)[rows] for field in dataclasses.fields(small)))

    tracemalloc.start()
    try:
        calibration = calibrate(large, small)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak_bytes < 2 * large.embeddings.nbytes
    np.testing.assert_allclose(calibration.precision, calibrate(small, small).precision, rtol=1e-3)


def test_equal_slices_of_each_class_leave_a_distance() -> None:
    """As where a few slices are all that there is."""
    outputs = _outputs(0, 1)
    alike = dataclasses.replace(outputs, embeddings=np.eye(6, dtype=np.float32)[outputs.labels])

    calibration = calibrate(alike, outputs)

    assert np.isfinite(calibration.precision).all()
