"""The page as a browser would read it."""

import dataclasses
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from trainer.bootstrap import BRIER
from trainer.evaluate import evaluate
from trainer.figures import EpochMetrics, Evaluation
from trainer.model_card import Approval, DataSource, model_card
from trainer.model_card_text import NO_GATE
from trainer.reliability import Reliability, trust
from trainer.report.cases import MAX_ERRORS, Case
from trainer.report.intervals import measure
from trainer.report.page import report_page
from trainer.report.sections import errors
from trainer.train import Training

_SECTIONS = [
    *("comparison", "training", "verdicts", "thresholds", "calibration", "doubt"),
    *("ten-predictions", "missed-tumors", "false-alarms", "data", "model"),
]
_UNCLOSED = {"meta", "img", "br"}


class _Page(HTMLParser):
    """Text by section, and whatever could make a browser fetch something."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.references: list[str] = []
        self.pictures: list[dict[str, str]] = []
        self.text: dict[str, str] = {"": ""}
        self._section = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        if tag not in _UNCLOSED:
            self.open.append(tag)
        if tag == "img":
            self.pictures.append(dict(attributes))
        for name, value in attributes:
            if name in {"src", "href", "srcset", "data", "action", "poster", "xlink:href", "background"}:
                self.references.append(value)
            if tag == "section" and name == "id":
                self._section = value
                self.text[value] = ""

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in _UNCLOSED:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1:] != ["style"]:
            self.text[self._section] += f"{data} "


@pytest.fixture
def make_page(explainer):
    """Makes a page of a tested network after so many epochs, and returns its HTML."""

    def make(answers, epochs=3, loss=0.5, approval=None, evaluation=None) -> str:
        history = [EpochMetrics(loss, 0.8, loss, 0.7) for _ in range(epochs)]
        training = Training("<small>", 1, "f00d", 80, 16, 1234, history, 0, 1.0, 0.5, (0.5, 0.5), 0.2)
        found = evaluation or evaluate(answers.outputs, answers.split.labels)
        measured = measure(answers, 1)
        source = DataSource("made up", "<script src=data:,1>| &amp;\n[none](#)")
        trusted = trust(answers.outputs, answers.split.labels, training.conformal)
        card = model_card(7, [6, 4], training, found, measured.figures, trusted, {"brain area": 0.84}, source, approval)
        return report_page(card, training, found, answers, measured, explainer)

    return make


def test_it_refers_to_nothing_outside_itself(make_answers, make_page) -> None:
    html = make_page(make_answers())
    page = _Page(html)

    assert page.open == []
    assert len(page.references) == 2 * html.count("<b>P(tumor) ") > 20
    assert all(reference.startswith("data:image/jpeg;base64,") for reference in page.references)
    assert not {"script", "link", "iframe", "object", "embed", "base", "form"} & set(page.tags)
    assert not re.search(r"https?:|url\(|@import|\bon\w+=", html)


def test_it_has_all_sections(make_answers, make_page) -> None:
    html = make_page(make_answers())

    assert [name for name in _Page(html).text if name] == _SECTIONS
    assert html.count("<svg") == 7
    assert "licence: &lt;script src=data:,1&gt;| &amp;amp;<small>[none](#)</small>" in html
    assert "<small>" not in html.split("<body>")[1].split("</h1>")[0]  # names from outside are escaped


def test_its_numbers_are_the_right_ones(make_answers, make_page, summary) -> None:
    """Of 12 tumors two are missed, of 12 others one is called."""
    twin = make_answers().outputs
    text = _Page(make_page(make_answers(comparisons={"version 6": twin}, dataset=summary))).text

    assert "accuracy 0.8750" in text[""]
    assert "Not a medical device" in text[""]
    assert " tumor 10 (83.3 %) 2 (16.7 %) no tumor 1 (8.3 %) 11 (91.7 %)" in text["verdicts"]
    # precision 10 / 11, recall 10 / 12, F1 20 / 23, specificity 11 / 12
    assert "Tumor 0.9091 0.8333 0.8696 0.9167 12" in text["verdicts"]
    assert "No Tumor 0.8462 0.9167 0.8800 0.8333 12" in text["verdicts"]
    assert "RELIABLE 23 95.8 % 0.8696" in text["doubt"]  # all but the last, a right one
    assert "OUT_OF_DOMAIN 1 4.2 % 1.0000" in text["doubt"]
    assert "difference from version 6 +0.0000" in text["comparison"]
    assert "2 slices" in text["missed-tumors"]
    assert "P(tumor) 0.1010" in text["missed-tumors"]
    assert "called No Tumor, is Tumor" in text["missed-tumors"]
    assert "test slice 4, group 2" in text["false-alarms"]
    assert "OUT_OF_DOMAIN 1 4.2 %" in text["doubt"]
    assert "2 conflicting labels" in text["data"]
    assert "24 slices, 12 with tumor, in 12 groups" in text["data"]
    assert "brain area: alone" in text["data"]
    assert "6, 4" in text["model"]


def test_no_figure_is_less_than_zero_by_less_than_it_tells(make_answers, make_page) -> None:
    answers = make_answers()
    a_little_surer = answers.outputs["probabilities"] + np.where(answers.truth, 1e-6, -1e-6)[:, None] * [-1, 1]
    other = answers.outputs | {"probabilities": a_little_surer.astype(np.float32)}
    own = dataclasses.replace(answers, outputs=other, comparisons={"version 6": answers.outputs})

    assert measure(own, 1).gains["version 6"][BRIER].value < 0
    assert "-0.0000" not in _Page(make_page(own)).text["comparison"]


def test_the_data_is_counted(make_answers, make_page, summary) -> None:
    labels = (np.arange(24) % 3 == 0).astype(np.int64)
    resized = dataclasses.replace(summary, resized=7)
    text = _Page(make_page(make_answers(labels=labels, dataset=resized))).text["data"]

    assert "24 slices, 8 with tumor, in 12 groups" in text
    assert "resized 7, measured on" in text
    assert "resized" not in _Page(make_page(make_answers(dataset=summary))).text["data"]


def test_slices_keep_their_shape(make_answers, make_page) -> None:
    """The style sets their width; a height of their own would squeeze them."""
    pictures = _Page(make_page(make_answers())).pictures

    assert pictures
    assert {name for picture in pictures for name in picture} == {"src", "alt"}


def test_slices_that_may_not_be_shown_are_told_of_in_words(make_answers, make_page) -> None:
    page = _Page(make_page(make_answers(with_pictures=False)))

    assert page.references == []
    assert "TRAINER_REPORT_PICTURES" in page.text["ten-predictions"]
    assert "test slice 4, group 2" in page.text["false-alarms"]


def test_a_verdict_that_is_not_relied_upon_is_told_below_its_slice(make_answers, make_page) -> None:
    answers = make_answers()
    doubtful = answers.outputs | {"reliability": np.where(answers.truth, 2, 1)}
    text = _Page(make_page(dataclasses.replace(answers, outputs=doubtful))).text

    assert text["ten-predictions"].count("UNCERTAIN") == 5
    assert "RELIABLE" not in text["ten-predictions"]


def test_a_version_that_the_gate_refused_says_so_at_the_top(make_answers, make_page) -> None:
    top = _Page(make_page(make_answers(), approval=Approval("1", False, ("accuracy is <low>",)))).text[""]

    assert "although the gate refused it" in top
    assert "accuracy is <low>" in top
    assert "The gate's intervals hold 90 %" in top


def test_a_version_that_no_gate_has_seen_says_so_at_the_top(make_answers, make_page) -> None:
    assert NO_GATE in _Page(make_page(make_answers())).text[""]
    blessed = _Page(make_page(make_answers(), approval=Approval("1", True, ()))).text[""]
    assert NO_GATE not in blessed
    assert "refused" not in blessed


def test_a_network_without_faults_has_a_page_too(make_answers, make_page) -> None:
    text = _Page(make_page(make_answers(wrong=()))).text

    assert "None." in text["missed-tumors"]
    assert "1.0000 1.0000 1.0000 1.0000" in text["verdicts"]
    assert "accuracy 1.0000 - AUC 1.0000 - " in text[""]


@pytest.mark.parametrize("label", [0, 1])
def test_a_split_of_one_label_has_a_page_without_curves(make_answers, make_page, label) -> None:
    evaluation = Evaluation(24, 0.875, float("nan"), float("nan"), float("nan"), 0, 0, 0, 0)
    html = make_page(make_answers(labels=np.full(24, label)), evaluation=evaluation)
    page = _Page(html)

    assert [name for name in page.text if name] == _SECTIONS
    assert all("Not drawn" in page.text[name] for name in ("thresholds", "calibration", "doubt"))
    assert "AUC - " in page.text[""]


def test_of_many_mistakes_it_says_that_some_are_shown() -> None:
    case = Case(0, 0, True, False, 0.1, Reliability.RELIABLE, ())

    assert "30 slices; the 24 most certain mistakes" in errors([case] * MAX_ERRORS, 30)
    assert "24 slices; all" in errors([case] * MAX_ERRORS, 24)
    assert "1 slice; all" in errors([case], 1)


def test_it_stays_small_whatever_the_data(make_answers, make_page) -> None:
    """Pictures of noise are the largest that there are; gRPC in other languages takes 4 MiB."""
    html = make_page(make_answers(wrong=tuple(range(24))), epochs=2000)
    assert len(html.encode()) < 2_000_000
