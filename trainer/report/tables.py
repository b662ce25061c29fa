"""The tables of a report."""

import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from trainer.bootstrap import FIGURES
from trainer.dataset import DatasetSummary
from trainer.figures import Evaluation, precision_recall_f1, ratio
from trainer.model_card_text import epochs_text
from trainer.reliability import verdicts
from trainer.report.answers import Answers
from trainer.report.intervals import Figure, Measured


def table(header: Sequence[str], rows: Iterable[Sequence[str]], caption: str = "") -> str:
    """Lays text out as a table.

    Args:
      header: names of the columns; none leaves it out.
      rows: cells; the first is the name of the row. They are escaped here, and may have a second line.
      caption: above the table.
    """
    names = "".join(f"<th scope=col>{escape(cell)}</th>" for cell in header)
    head = f"<thead><tr>{names}</tr></thead>" if header else ""
    body = "".join(f"<tr><th scope=row>{escape(row[0])}</th>{''.join(map(_cell, row[1:]))}</tr>" for row in rows)
    told = f"<caption>{escape(caption)}</caption>" if caption else ""
    return f"<div class=wide><table>{told}{head}<tbody>{body}</tbody></table></div>"


def comparison_table(measured: Measured) -> str:
    """Holds this version against the others; a difference is told with its own interval."""
    rows = [["this version", *_cells(measured.figures)]]
    for name, figures in measured.others.items():
        rows.append([name, *_cells(figures)])
        rows.append([f"difference from {name}", *_cells(measured.gains[name], sign="+")])
    return table(["", *FIGURES], rows, "Value, and below it the 95 % interval")


def confusion_table(evaluation: Evaluation) -> str:
    """Counts verdicts by truth, as shares of each truth too."""
    rows = (
        _counts("tumor", evaluation.true_positives, evaluation.false_negatives),
        _counts("no tumor", evaluation.false_positives, evaluation.true_negatives),
    )
    return table(["truth", "called Tumor", "called No Tumor"], rows, "Confusion matrix: slices, and share of the row")


def class_table(evaluation: Evaluation) -> str:
    """Tells precision, recall, F1 and specificity with each label as the positive one."""
    tp, fp = evaluation.true_positives, evaluation.false_positives
    tn, fn = evaluation.true_negatives, evaluation.false_negatives
    rows = (_class("Tumor", tp, fp, tn, fn), _class("No Tumor", tn, fn, tp, fp))
    return table(["positive is", "precision", "recall", "F1", "specificity", "slices"], rows, "By class")


def reliability_table(answers: Answers) -> str:
    """Counts slices, and right verdicts among them, by reliability."""
    rows = []
    for kind, found in verdicts(answers.outputs, answers.split.labels).items():
        accuracy = f"{found.right / found.slices:.4f}" if found.slices else "-"
        share = found.slices / len(answers.split.labels)
        rows.append([kind.name, str(found.slices), f"{share * 100:.1f} %", accuracy])
    return table(["reliability", "slices", "share", "accuracy"], rows, "Reliability as the version tells it")


def data_table(card: Mapping[str, Any], answers: Answers) -> str:
    """Counts slices and groups of the splits, and what was left out."""
    split, truth = card["split"], answers.truth
    rows = [
        ["fitted on", f"{split['train_slices']} slices"],
        ["validated and calibrated on", f"{split['validation_slices']} slices of groups held out of the fitting"],
        [
            "tested on",
            f"{len(truth)} slices, {int(truth.sum())} with tumor, in {len(set(answers.split.groups.tolist()))} groups",
        ],
    ]
    return table([], [*rows, *_dataset(answers.dataset)])


def card_table(card: Mapping[str, Any]) -> str:
    """Tells what the version is and what it was made with."""
    data, verdict = card["training_data"], card["verdict"]
    lineage = ", ".join(map(str, card["lineage"])) or "none"
    rows = [
        ["architecture", f"{card['architecture']}, {card['parameters']:,} parameters"],
        ["versions before it", lineage],
        ["training data", f"{data['name']}; licence: {data['licence']}"],
        ["fingerprint of the data", data["fingerprint"]],
        ["seed", str(card["seed"])],
        ["network fitted for", f"version {card['network_of_version']}"],
        ["epochs", epochs_text(card)],
        *(
            [name.replace("_", " "), f"{value:g}" if isinstance(value, float) else str(value)]
            for name, value in verdict.items()
        ),
        ["packages", ", ".join(f"{name} {version}" for name, version in card["packages"].items())],
    ]
    return table([], rows)


def number(value: float, sign: str = "") -> str:
    """Writes a figure; one without a meaning is a dash."""
    return f"{value:{sign}z.4f}" if math.isfinite(value) else "-"


def interval(figure: Figure, sign: str = "") -> str:
    """Writes the bounds of a figure; a dash where it has none."""
    return f"{number(figure.low, sign)} to {number(figure.high, sign)}" if math.isfinite(figure.low) else "-"


def _cell(text: str) -> str:
    first, _, second = text.partition("\n")
    return f"<td>{escape(first)}{f'<small>{escape(second)}</small>' if second else ''}</td>"


def _cells(figures: Mapping[str, Figure], sign: str = "") -> list[str]:
    return [f"{number(figures[name].value, sign)}\n{interval(figures[name], sign)}" for name in FIGURES]


def _counts(name: str, *counts: int) -> list[str]:
    return [name, *(f"{count} ({ratio(count, sum(counts)) * 100:.1f} %)" for count in counts)]


def _class(name: str, tp: int, fp: int, tn: int, fn: int) -> list[str]:
    figures = (*precision_recall_f1(tp, fp, fn), ratio(tn, tn + fp))
    return [name, *(f"{figure:.4f}" for figure in figures), str(tp + fn)]


def _dataset(dataset: DatasetSummary | None) -> Iterable[list[str]]:
    if dataset is None:
        return
    total = dataset.train_slices + dataset.test_slices
    yield ["kept in all", f"{total} slices, {dataset.tumor_slices} with tumor"]
    yield [
        "near-duplicate groups",
        f"{dataset.train_groups} to train and validate, {dataset.test_groups} to test; none is on both sides",
    ]
    yield ["identical files", f"{dataset.identical_files} copies of others, on the side of their original"]
    if dataset.resized:
        yield [
            "resized",
            f"{dataset.resized}, measured on pixels that serving makes of the original a little otherwise",
        ]
    yield ["left out", ", ".join(f"{count} {reason}" for reason, count in dataset.excluded.items()) or "none"]
