"""Which slices a report tells of."""

import base64
import io

import numpy as np
from PIL import Image

from trainer.report.cases import MAX_ERRORS, choose_cases


def test_mistakes_come_most_certain_first(make_answers, explainer) -> None:
    cases = choose_cases(make_answers(wrong=(1, 3, 4, 8)), explainer, 1)

    assert [case.row for case in cases.false_negatives] == [1, 3]
    assert [case.row for case in cases.false_positives] == [8, 4]
    assert all(case.tumor and not case.called for case in cases.false_negatives)
    assert all(case.called and not case.tumor for case in cases.false_positives)
    assert cases.false_negatives[0].group == 0


def test_ten_examples_are_drawn_of_both_labels(make_answers, explainer) -> None:
    examples = choose_cases(make_answers(), explainer, 1).examples

    assert len({case.row for case in examples}) == 10
    assert sum(case.tumor for case in examples) == 5
    assert examples == choose_cases(make_answers(), explainer, 1).examples
    assert examples != choose_cases(make_answers(), explainer, 2).examples


def test_only_the_chosen_slices_are_explained(make_answers, explainer) -> None:
    cases = choose_cases(make_answers(), explainer, 1)
    chosen = {case.row for kind in (cases.examples, cases.false_negatives, cases.false_positives) for case in kind}

    assert explainer.explained == len(chosen) < 24


def test_a_case_has_the_slice_and_its_overlay(make_answers, explainer) -> None:
    plain, overlay = choose_cases(make_answers(), explainer, 1).false_positives[0].pictures
    shown = [Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))) for uri in (plain, overlay)]

    assert [picture.size for picture in shown] == [(160, 160)] * 2
    colours = np.asarray(shown[1].convert("RGB"), np.int64)
    assert np.ptp(colours[:20, :20], axis=-1).mean() > 50  # hot, so coloured
    assert np.ptp(colours[-60:, -60:], axis=-1).mean() < 10  # JPEG shades grey a little


def test_slices_that_may_not_be_shown_are_not_even_explained(make_answers, explainer) -> None:
    cases = choose_cases(make_answers(with_pictures=False), explainer, 1)

    assert explainer.explained == 0
    assert [case.pictures for case in cases.examples] == [()] * 10


def test_a_network_that_errs_always_does_not_fill_the_page(make_answers, explainer) -> None:
    labels = np.ones(24, np.int64)
    cases = choose_cases(make_answers(wrong=tuple(range(24)), labels=labels), explainer, 1)

    assert len(cases.false_negatives) == MAX_ERRORS
    assert cases.false_positives == []
    assert len(cases.examples) == 5
