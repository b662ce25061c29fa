"""The charts of a report."""

from collections.abc import Sequence

import numpy as np

from trainer.calibration_error import BINS, calibration_bins
from trainer.figures import EpochMetrics, Evaluation
from trainer.reliability import Reliability
from trainer.report.answers import Answers
from trainer.report.curves import average_precision, precision_recall_curve, risk_coverage_curve, roc_curve
from trainer.report.svg import Axis, Series, chart

_HEADROOM = 1.05
_LEAST_LOSS, _LEAST_FALL = 0.01, 0.1
"""Of the axes of loss and accuracy: on shorter ones the ticks have more digits than there is room for."""

_SMALLEST_DOT, _DOT_GROWTH = 2.0, 8.0


def training_charts(history: Sequence[EpochMetrics], kept_epoch: int) -> str:
    """Draws loss and accuracy over the epochs; the one whose weights were kept is marked."""
    epochs = list(range(1, len(history) + 1))
    x_axis = Axis("epoch", min(1, len(history) - 1), max(2, len(history)), whole=True)  # one is in the middle
    drawn = []
    for name in ("loss", "accuracy"):
        train, val = ([getattr(epoch, key) for epoch in history] for key in (name, f"val_{name}"))
        if name == "loss":
            y_axis = Axis(name, 0.0, max(_LEAST_LOSS, *train, *val) * _HEADROOM)
        else:
            y_axis = Axis(name, min(1 - _LEAST_FALL, *train, *val))
        drawn.append(
            chart(
                f"{name.capitalize()} by epoch",
                x_axis,
                y_axis,
                Series("train", epochs, train),
                Series("validation", epochs, val, colour=2),
                Series("kept epoch", [kept_epoch + 1], [val[kept_epoch]], "mark", colour=2),
            )
        )
    return "".join(drawn)


def threshold_charts(answers: Answers, evaluation: Evaluation) -> str:
    """Draws ROC and precision-recall curve with the operating point."""
    scores, truth = answers.probabilities, answers.truth
    recall_curve = precision_recall_curve(scores, truth)
    called = evaluation.true_positives + evaluation.false_positives
    precision = [evaluation.true_positives / called] if called else []
    return chart(
        f"ROC curve, area {evaluation.auc:.4f}",
        Axis("1 - specificity"),
        Axis("sensitivity"),
        Series("this version", *roc_curve(scores, truth)),
        Series("chance", [0, 1], [0, 1], "dashed", colour=0),
        Series("operating point", [1 - evaluation.specificity], [evaluation.sensitivity], "mark", colour=2),
    ) + chart(
        f"Precision and recall, average precision {average_precision(recall_curve):.4f}",
        Axis("recall (sensitivity)"),
        Axis("precision"),
        Series("this version", *recall_curve),
        Series("chance", [0, 1], [truth.mean()] * 2, "dashed", colour=0),
        Series("operating point", [evaluation.sensitivity] * len(precision), precision, "mark", colour=2),
    )


def calibration_charts(answers: Answers, error: float, brier: float) -> str:
    """Draws the reliability diagram, and how many slices each of its bins holds."""
    bins = calibration_bins(answers.probabilities, answers.truth)
    radii = _SMALLEST_DOT + _DOT_GROWTH * np.sqrt(bins.slices / bins.slices.max())
    return chart(
        f"Reliability, ECE {error:.4f}, Brier score {brier:.4f}",
        Axis("mean P(tumor) in the bin"),
        Axis("share of tumors in the bin"),
        Series("calibrated", [0, 1], [0, 1], "dashed", colour=0),
        Series("one bin; the larger, the more slices", bins.probability, bins.tumor_share, "dots", radii=radii),
    ) + chart(
        "Slices in each bin",
        Axis("P(tumor)"),
        Axis("slices", 0, float(bins.slices.max()) * _HEADROOM, whole=True),
        Series("", (bins.bins + 0.5) / BINS, bins.slices.astype(np.float64), "bars", bar_width=0.9 / BINS),
    )


def risk_chart(answers: Answers) -> str:
    """Draws how the share of wrong verdicts falls where doubtful slices are left unanswered."""
    called, wrong = answers.called, answers.called != answers.truth
    confidence = np.where(called, answers.probabilities, 1 - answers.probabilities)
    coverage, risk = risk_coverage_curve(confidence, wrong)
    is_reliable = answers.outputs["reliability"] == Reliability.RELIABLE
    answered = is_reliable.any()
    return chart(
        "Risk and coverage",
        Axis("coverage: share of slices that get a verdict"),
        Axis("risk: share of wrong ones", 0, max(0.01, float(risk.max())) * _HEADROOM),
        Series("the most confident verdicts", coverage, risk),
        Series(
            "RELIABLE verdicts",
            [is_reliable.mean()] if answered else [],
            [wrong[is_reliable].mean()] if answered else [],
            "mark",
            colour=2,
        ),
    )
