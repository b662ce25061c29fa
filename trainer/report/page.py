"""The report as one HTML page."""

from collections.abc import Mapping
from html import escape
from typing import Any

from trainer.evaluate import Candidate
from trainer.figures import Evaluation
from trainer.report import sections
from trainer.report.answers import Answers
from trainer.report.cases import choose_cases
from trainer.report.intervals import Measured
from trainer.report.style import STYLE
from trainer.report.tables import card_table, class_table, confusion_table, data_table
from trainer.train import Training


def report_page(
    card: Mapping[str, Any],
    training: Training,
    evaluation: Evaluation,
    answers: Answers,
    measured: Measured,
    candidate: Candidate,
) -> str:
    """Returns an HTML page that refers to nothing outside itself.

    Args:
      card: the model card.
      training: with the history of the epochs.
      evaluation: of `answers.outputs`.
      answers: to the test split.
      measured: of `answers`.
      candidate: explains the slices that are shown, and no others.
    """
    section, side_by_side = sections.section, sections.side_by_side
    title = f"Version {card['model_version']}, {card['architecture']}"
    cases = choose_cases(answers, candidate, training.seed)
    shortcuts = [f"{shortcut['name']}: {shortcut['meaning']}" for shortcut in card["known_shortcuts"]]
    body = (
        sections.summary(card, title, measured),
        section("Comparison", sections.comparison(measured)),
        section("Training", sections.training(training)),
        section("Verdicts", side_by_side(confusion_table(evaluation), class_table(evaluation))),
        section("Thresholds", sections.thresholds(answers, evaluation)),
        section("Calibration", sections.calibration(answers, measured)),
        section("Doubt", sections.doubt(answers)),
        section("Ten predictions", sections.examples(cases.examples, with_pictures=answers.with_pictures)),
        section("Missed tumors", sections.errors(cases.false_negatives, evaluation.false_negatives)),
        section("False alarms", sections.errors(cases.false_positives, evaluation.false_positives)),
        section("Data", data_table(card, answers), sections.listed("Known shortcuts", shortcuts)),
        section("Model", card_table(card), sections.listed("Limits", card["limits"])),
    )
    return (
        f"<!doctype html>\n<html lang=en><head><meta charset=utf-8><title>{escape(title)}</title>"
        f'<meta name=viewport content="width=device-width"><style>{STYLE}</style></head>\n'
        f"<body>\n{''.join(body)}</body></html>\n"
    )
