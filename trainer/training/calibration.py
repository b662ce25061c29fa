"""What turns a network's output into a verdict: temperature, threshold, conformal sets, distance, limits.

Fitted on the validation split, which shares no near-duplicate group with the training split.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

COVERAGE = 0.95
"""Share of slices of each class whose true label the conformal set must hold."""

IN_DOMAIN_SHARE = 0.995
"""Share of validation slices that the distance lets pass."""

CRITIC_SHARE = 0.985
"""Share of them that the domain critic lets pass: wider, since it knows other pictures best."""

LEAST_ODDS = 1.5
"""Of a verdict that is relied upon, by the calibrated probabilities: its label is at least so much likelier than the
other. The classes of a good network lie so far apart that conformal sets would hold no doubt between them."""

SATURATION_SHARE = 0.985
"""Share of validation slices in which no more is white than in one whose No Tumor may be relied upon."""

LEAST_SATURATION = 0.2
"""That limit is at least a fifth of the brain, however little is white in the validation slices: of tumors in slices
with a fifth or more of it white, half and more were called No Tumor."""

MISS_COST = 2.0
"""What a missed tumor costs, in false alarms: it sets the decision threshold."""

THRESHOLDS = (0.3, 0.5)
"""Between these the decision threshold is sought: about 1 / (1 + MISS_COST), where it belongs if the calibration is
perfect, and a few wrong labels among some hundred slices cannot pull it away."""

_SHRINKAGE = 0.1
_BLOCK = 4096
_SMALLEST = 1e-7


@dataclass(frozen=True, slots=True)
class Calibration:
    """Constants that go into the graph of a version.

    Attributes:
      temperature: divides the logits.
      threshold: calibrated P(tumor) from which on a slice is called Tumor.
      conformal: float32 (2,), largest 1 - P(class) at which the class stays open, by class.
      means: float32 (2, D), mean embedding of each class.
      precision: float32 (D, D), inverse of the shared covariance, scaled so that a distance of 1
        bounds IN_DOMAIN_SHARE of the validation slices.
      critic_limit: the domain critic's logit that bounds CRITIC_SHARE of them.
      saturation_limit: largest share of a brain that may be white where No Tumor is relied upon, in (0, 1].
    """

    temperature: float
    threshold: float
    conformal: NDArray[np.float32]
    means: NDArray[np.float32]
    precision: NDArray[np.float32]
    critic_limit: float
    saturation_limit: float


@dataclass(frozen=True, slots=True)
class NetworkOutputs:
    """What a network says of a split.

    Attributes:
      probabilities: float32 (N, 2), as the network gives them.
      embeddings: float32 (N, D).
      criticisms: float32 (N,), the domain critic's logits.
      saturation: float32 (N,), share of each slice's brain that is white.
      labels: int64 (N,).
    """

    probabilities: NDArray[np.float32]
    embeddings: NDArray[np.float32]
    criticisms: NDArray[np.float32]
    saturation: NDArray[np.float32]
    labels: NDArray[np.int64]


def calibrate(train: NetworkOutputs, validation: NetworkOutputs) -> Calibration:
    """Fits every constant of a verdict."""
    temperature = _temperature(validation)
    calibrated = at_temperature(validation.probabilities, temperature)
    means, precision = _distance(train)
    distances = ood_scores(validation.embeddings, means, precision)
    scale = float(np.quantile(distances, IN_DOMAIN_SHARE))
    return Calibration(
        temperature=temperature,
        threshold=_threshold(calibrated[:, 1], validation.labels),
        conformal=_conformal(calibrated, validation.labels),
        means=means.astype(np.float32),
        precision=(precision / scale**2).astype(np.float32),
        critic_limit=float(np.quantile(validation.criticisms, CRITIC_SHARE)),
        saturation_limit=max(LEAST_SATURATION, float(np.quantile(validation.saturation, SATURATION_SHARE))),
    )


def at_temperature(probabilities: NDArray[np.float32], temperature: float) -> NDArray[np.float64]:
    """Returns softmax(log(probabilities) / temperature), (N, 2)."""
    logits = np.log(np.clip(probabilities.astype(np.float64), _SMALLEST, 1)) / temperature
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def ood_scores(embeddings: NDArray[Any], means: NDArray[Any], precision: NDArray[Any]) -> NDArray[np.float64]:
    """Returns the Mahalanobis distance (N,) of each embedding to the nearest class mean.

    Source: Lee et al., "A Simple Unified Framework for Detecting Out-of-Distribution Samples" (2018).
    """
    offsets = embeddings[:, None, :].astype(np.float64) - means[None]
    squared = np.einsum("ncd,de,nce->nc", offsets, precision, offsets)
    return np.asarray(np.sqrt(np.maximum(squared.min(axis=1), 0)))


def _temperature(outputs: NetworkOutputs) -> float:
    """Minimises the negative log-likelihood. Source: Guo et al., "On Calibration of Modern Neural Networks" (2017)."""

    def loss(log_temperature: float) -> float:
        probabilities = at_temperature(outputs.probabilities, float(np.exp(log_temperature)))
        of_truth = probabilities[np.arange(len(outputs.labels)), outputs.labels]
        return float(-np.log(np.maximum(of_truth, _SMALLEST)).mean())

    return float(np.exp(minimize_scalar(loss, bounds=(np.log(0.2), np.log(5)), method="bounded").x))


def _threshold(tumor: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """Returns the middle of the widest run of thresholds, on a grid over THRESHOLDS, with the lowest cost of errors."""
    thresholds = np.linspace(*THRESHOLDS, 31)
    called = tumor[None, :] >= thresholds[:, None]
    misses, alarms = (~called & (labels == 1)).sum(axis=1), (called & (labels == 0)).sum(axis=1)
    costs = MISS_COST * misses + alarms
    best = np.flatnonzero(costs == costs.min())
    runs = np.split(best, np.flatnonzero(np.diff(best) > 1) + 1)
    return float(np.median(thresholds[max(runs, key=len)]))


def _conformal(probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> NDArray[np.float32]:
    """Returns the class-conditional quantiles of split conformal prediction.

    Source: Vovk, "Conditional Validity of Inductive Conformal Predictors" (2012).
    """
    limits = []
    for label in (0, 1):
        scores = np.sort(1 - probabilities[labels == label, label])
        rank = int(np.ceil((len(scores) + 1) * COVERAGE))
        limits.append(scores[rank - 1] if rank <= len(scores) else 1.0)
    return np.array(limits, np.float32)


def _distance(train: NetworkOutputs) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    means = np.stack([train.embeddings[train.labels == label].mean(axis=0, dtype=np.float64) for label in (0, 1)])
    covariance = np.zeros((means.shape[1], means.shape[1]))
    for at in range(0, len(train.labels), _BLOCK):  # as float64 all would take more memory than the network
        offsets = train.embeddings[at : at + _BLOCK] - means[train.labels[at : at + _BLOCK]]
        covariance += offsets.T @ offsets / (len(train.labels) - 1)
    # Where each class has one slice, or equal ones, nothing else is left to invert.
    floor = max(np.trace(covariance) / len(covariance), _SMALLEST) * np.eye(len(covariance))
    return means, np.linalg.inv((1 - _SHRINKAGE) * covariance + _SHRINKAGE * floor)
