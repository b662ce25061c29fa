"""The sections of a report, as HTML. What comes from outside is escaped here."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from trainer.bootstrap import BRIER, ECE
from trainer.figures import Evaluation
from trainer.model_card_text import NO_GATE
from trainer.reliability import Reliability
from trainer.report.answers import Answers
from trainer.report.cases import MAX_ERRORS, Case
from trainer.report.charts import calibration_charts, risk_chart, threshold_charts, training_charts
from trainer.report.intervals import METHOD, Measured
from trainer.report.tables import comparison_table, interval, number, reliability_table
from trainer.train import Training

_NO_CURVES = "<p>Not drawn: a curve needs slices of both labels.</p>"
_SHOWN = (
    "the slice, and what spoke for a tumor laid over it, brightest where there was most in this slice, be it little"
)
_HIDDEN = "pictures of slices are left out, as TRAINER_REPORT_PICTURES says"


def section(title: str, *content: str) -> str:
    """Puts a heading above content; its id is the title in lower case with dashes."""
    return f'<section id="{title.lower().replace(" ", "-")}"><h2>{escape(title)}</h2>{"".join(content)}</section>\n'


def side_by_side(*content: str) -> str:
    """Lays content out in as many columns as fit."""
    return f"<div class=row>{''.join(content)}</div>"


def summary(card: Mapping[str, Any], title: str, measured: Measured) -> str:
    """Begins a page: what it is about, what that must not be used for, and the figures that count."""
    tiles = "".join(
        f"<div><span>{escape(name)}</span><b>{number(figure.value)}</b><span>{interval(figure)}</span></div>"
        for name, figure in measured.figures.items()
    )
    return (
        f"<h1>{escape(title)}</h1><p class=soft>Published {escape(card['created'])}</p>"
        f"<p class=warning>{escape(card['intended_use'])}</p>{_gate(card['gate'])}<div class=tiles>{tiles}</div>"
        f"<p class=soft>On {card['split']['test_slices']} slices of the untouched test split, positive is tumor. "
        f"Below each figure its 95 % interval, from {METHOD}; a dash where these agree, which on few slices is no "
        "certainty. The ECE of a resample is larger on average than that of the split, so its interval lies high.</p>"
    )


def training(record: Training) -> str:
    """Shows how the network was fitted; of one that was kept, where that is shown."""
    if record.network_of_version:
        return (
            f"<p>The network is that of version {record.network_of_version}, whose report shows how it was fitted. "
            "The calibration was fitted anew beside it.</p>"
        )
    return side_by_side(training_charts(record.history, record.kept_epoch))


def comparison(measured: Measured) -> str:
    """Holds the version against others on the same slices."""
    if not measured.others:
        return "<p>There was no version to compare with.</p>" + comparison_table(measured)
    return comparison_table(measured) + (
        "<p class=soft>All answer the same slices, and differences are measured slice by slice on the same resamples. "
        "A version that was trained on other data, or split with another seed, may have learned from some of these "
        "slices, which flatters it. For ECE and Brier score, less is better.</p>"
    )


def thresholds(answers: Answers, evaluation: Evaluation) -> str:
    """Shows what other thresholds would give."""
    return side_by_side(threshold_charts(answers, evaluation)) if answers.has_curves else _NO_CURVES


def calibration(answers: Answers, measured: Measured) -> str:
    """Shows whether probabilities are what they say."""
    if not answers.has_curves:
        return _NO_CURVES
    figures = measured.figures
    return side_by_side(calibration_charts(answers, figures[ECE].value, figures[BRIER].value))


def doubt(answers: Answers) -> str:
    """Shows what is gained by leaving doubtful slices to people."""
    drawn = risk_chart(answers) if answers.has_curves else _NO_CURVES
    return side_by_side(drawn, reliability_table(answers))


def examples(cases: Sequence[Case], *, with_pictures: bool) -> str:
    """Shows slices as they come."""
    pictures = _SHOWN if with_pictures else _HIDDEN
    found = "Test slice 7 is, in manifest.csv beside the data set, the image with split test and row 7"
    return f"<p class=soft>Drawn at random, of both labels as many: {pictures}. {found}.</p>{_gallery(cases)}"


def errors(cases: Sequence[Case], total: int) -> str:
    """Shows mistakes, the most certain first."""
    if not cases:
        return "<p>None.</p>"
    told = "all" if total == len(cases) else f"the {MAX_ERRORS} most certain mistakes"
    return f"<p class=soft>{total} slice{'s' * (total > 1)}; {told}, the most certain first.</p>{_gallery(cases)}"


def listed(title: str, lines: Sequence[str]) -> str:
    """Lists lines of text under a small heading."""
    items = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return f"<h3>{escape(title)}</h3><ul>{items}</ul>" if lines else ""


def _gate(gate: Mapping[str, Any] | None) -> str:
    if gate is None:
        return f"<p class=warning>{NO_GATE}</p>"
    if gate["blessed"]:
        return ""
    return listed("Published although the gate refused it", gate["reasons"]) + (
        "<p class=soft>The gate's intervals hold 90 % of the resamples, with 1 in 20 above them; all others on this "
        "page hold 95 %.</p>"
    )


def _gallery(cases: Sequence[Case]) -> str:
    return f"<div class=cases>{''.join(map(_case, cases))}</div>"


def _case(case: Case) -> str:
    pictures = "".join(
        f'<img src="{uri}" alt="{shown}">'
        for uri, shown in zip(case.pictures, ("slice", "slice under its heatmap"), strict=False)
    )
    label, truth = ("Tumor" if tumor else "No Tumor" for tumor in (case.called, case.tumor))
    verdict = f"called {label}" if case.called == case.tumor else f"<span class=wrong>called {label}, is {truth}</span>"
    doubts = "" if case.reliability is Reliability.RELIABLE else f"<br>{case.reliability.name}"
    return (
        f"<figure>{pictures}<figcaption><b>P(tumor) {number(case.probability)}</b><br>{verdict}{doubts}"
        f"<br><span class=soft>test slice {case.row}, group {case.group}</span></figcaption></figure>"
    )
