"""What the charts of a report show, and where."""

import re

import pytest

from trainer.figures import EpochMetrics
from trainer.report.charts import training_charts


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
