"""Figures of a version by class, as a table for people."""

from trainer.figures import Evaluation

_HEADER = f"{'':14}{'precision':>10}{'recall':>10}{'f1':>10}{'support':>10}"


def classification_report(evaluation: Evaluation) -> str:
    """Returns precision, recall, F1 and support of each class, their means, and the accuracy.

    A figure whose denominator is 0 is given as 0. "macro" is the plain mean over the classes, "weighted" that by
    support.
    """
    no_tumor = _figures(evaluation.true_negatives, evaluation.false_negatives, evaluation.false_positives)
    tumor = _figures(evaluation.true_positives, evaluation.false_positives, evaluation.false_negatives)
    supports = no_tumor[3], tumor[3]
    total = sum(supports)
    macro = [(one + other) / 2 for one, other in zip(no_tumor[:3], tumor[:3], strict=True)]
    weighted = [
        _ratio(one * supports[0] + other * supports[1], total)
        for one, other in zip(no_tumor[:3], tumor[:3], strict=True)
    ]
    return "\n".join(
        [
            _HEADER,
            _row("No Tumor", no_tumor[:3], supports[0]),
            _row("Tumor", tumor[:3], supports[1]),
            _row("macro mean", macro, total),
            _row("weighted mean", weighted, total),
            f"{'accuracy':14}{'':20}{evaluation.accuracy:>10.3f}{total:>10}",
        ]
    )


def _figures(true: int, false: int, missed: int) -> tuple[float, float, float, int]:
    precision, recall = _ratio(true, true + false), _ratio(true, true + missed)
    return precision, recall, _ratio(2 * precision * recall, precision + recall), true + missed


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def _row(name: str, figures: tuple[float, ...] | list[float], support: int) -> str:
    return f"{name:14}" + "".join(f"{figure:>10.3f}" for figure in figures) + f"{support:>10}"
