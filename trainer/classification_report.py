"""Figures of a version by class, as a table for people."""

from trainer.figures import Evaluation, precision_recall_f1, ratio

_HEADER = f"{'':14}{'precision':>10}{'recall':>10}{'f1':>10}{'support':>10}"


def classification_report(evaluation: Evaluation) -> str:
    """Returns precision, recall, F1 and support of each class, their means, and the accuracy.

    A figure whose denominator is 0 is given as 0. "macro" is the plain mean over the classes, "weighted" that by
    support.
    """
    tp, fp = evaluation.true_positives, evaluation.false_positives
    tn, fn = evaluation.true_negatives, evaluation.false_negatives
    no_tumor, tumor = precision_recall_f1(tn, fn, fp), precision_recall_f1(tp, fp, fn)
    supports = tn + fp, tp + fn
    total = sum(supports)
    pairs = list(zip(no_tumor, tumor, strict=True))
    macro = [(one + other) / 2 for one, other in pairs]
    weighted = [ratio(one * supports[0] + other * supports[1], total) for one, other in pairs]
    return "\n".join(
        [
            _HEADER,
            _row("No Tumor", no_tumor, supports[0]),
            _row("Tumor", tumor, supports[1]),
            _row("macro mean", macro, total),
            _row("weighted mean", weighted, total),
            f"{'accuracy':14}{'':20}{evaluation.accuracy:>10.3f}{total:>10}",
        ]
    )


def _row(name: str, figures: tuple[float, ...] | list[float], support: int) -> str:
    return f"{name:14}" + "".join(f"{figure:>10.3f}" for figure in figures) + f"{support:>10}"
