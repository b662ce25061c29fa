"""What the charts of a report show, and where."""

import dataclasses
import re

import numpy as np
import pytest

from trainer.evaluate import evaluate
from trainer.figures import EpochMetrics
from trainer.reliability import Reliability
from trainer.report.answers import Answers
from trainer.report.charts import calibration_charts, risk_chart, threshold_charts, training_charts


@pytest.fixture
def answers(make_answers) -> Answers:
    """8 tumors of which 1 is missed, 16 others of which 2 are called so; all are RELIABLE but the last, a right one."""
    return make_answers((1, 3, 4), labels=(np.arange(24) % 3 == 0).astype(np.int64))


def _marks(html: str) -> list[str]:
    """Reads where rings are, as their titles tell it."""
    return re.findall(r'<circle class="[^"]*mark"[^>]*><title>([^<]*)<', html)


def _points(html: str, kind: str) -> list[list[float]]:
    """Reads the pixels of the lines of a kind, (x, y) by (x, y)."""
    lines = re.findall(rf'<polyline class="{kind}" points="([^"]*)"', html)
    return [[float(number) for pair in line.split() for number in pair.split(",")] for line in lines]


@pytest.mark.parametrize("epochs", [1, 3])
@pytest.mark.parametrize("figures", [(0.5, 0.8, 0.6, 0.7), (3e-4, 1.0, 2e-4, 1.0), (2e-7, 0.9995, 1e-7, 0.9985)])
def test_ticks_leave_room_for_the_axis_title(figures: tuple[float, ...], epochs: int) -> None:
    """Six characters reach into it."""
    ticks = re.findall(r'text-anchor="end">([^<]*)<', training_charts([EpochMetrics(*figures)] * epochs, 0))

    assert len(ticks) >= 8
    assert max(map(len, ticks)) <= 5


def test_a_single_epoch_is_seen_within_its_mark() -> None:
    loss = training_charts([EpochMetrics(0.5, 0.8, 0.6, 0.7)], 0).split("</figure>")[0]
    train, validation, mark = re.findall(r'<circle class="([^"]*)" cx="([^"]*)" cy="([^"]*)" r="([^"]*)"', loss)

    assert (train[0], validation[0], mark[0]) == ("c1 line", "c2 line", "c2 mark")
    assert validation[1:3] == mark[1:3]
    assert float(validation[3]) < float(mark[3])


def test_the_operating_point_is_that_of_the_verdicts(answers: Answers) -> None:
    html = threshold_charts(answers, evaluate(answers.outputs, answers.split.labels))

    assert _marks(html) == [f"{2 / 16:.4g}, {7 / 8:.4g}", f"{7 / 8:.4g}, {7 / 9:.4g}"]


def test_chance_has_the_precision_of_the_share_of_tumors(answers: Answers) -> None:
    _, precision_recall = threshold_charts(answers, evaluate(answers.outputs, answers.split.labels)).split("</h3>")[1:]
    (_, left, _, right) = _points(precision_recall, "c0 dashed")[0]
    (curve,) = _points(precision_recall, "c1 line")

    assert left == right == curve[-1]  # where all are called, whatever their score


def test_where_nothing_is_called_there_is_no_precision(make_answers) -> None:
    answers = make_answers(tuple(range(1, 24, 2)))

    assert len(_marks(threshold_charts(answers, evaluate(answers.outputs, answers.split.labels)))) == 1


def test_risk_is_that_of_the_verdicts_which_are_relied_upon(answers: Answers) -> None:
    assert _marks(risk_chart(answers)) == [f"{23 / 24:.4g}, {3 / 23:.4g}"]


def test_verdicts_of_either_kind_are_ordered_by_how_confident_they_are(answers: Answers) -> None:
    """The missed tumor is the 11th of them, after 9 called so, of which 2 are wrong, and 1 that is not."""
    (line,) = _points(risk_chart(answers), "c1 line")
    heights = line[1::2]

    assert heights.index(min(heights)) == 10


def test_where_no_verdict_is_relied_upon_none_is_marked(answers: Answers) -> None:
    outputs = {**answers.outputs, "reliability": np.full(24, Reliability.UNCERTAIN)}

    assert _marks(risk_chart(dataclasses.replace(answers, outputs=outputs))) == []


def test_bars_stand_in_the_middle_of_their_bins(answers: Answers) -> None:
    bars = re.findall(
        r'<rect class="[^"]*bars" x="([^"]*)" [^>]*width="([^"]*)"', calibration_charts(answers, 0.1, 0.1)
    )
    middles = [float(x) + float(width) / 2 for x, width in bars]

    assert middles == pytest.approx([62 + 346 * (number + 0.5) / 15 for number in (1, 13)], abs=0.2)
