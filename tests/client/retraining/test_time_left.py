"""How long a job may still take, by a clock that the test turns."""

import pytest
from braintumor.cli.time_left import TimeLeft


@pytest.fixture
def time_left(clock) -> TimeLeft:
    return TimeLeft(clock)


def test_nothing_is_foretold_before_there_was_progress(clock, time_left):
    assert time_left.seconds is None
    time_left.update(2, 0.1)
    clock.now_s += 60
    time_left.update(2, 0.1)
    assert time_left.seconds is None


def test_it_goes_by_the_pace_of_the_step_under_way(clock, time_left):
    time_left.update(1, 0.0)
    clock.now_s += 1
    time_left.update(2, 0.1)
    assert time_left.seconds is None
    clock.now_s += 30
    time_left.update(2, 0.4)
    assert time_left.seconds == pytest.approx(60)


def test_it_counts_down_to_zero_between_reports(clock, time_left):
    time_left.update(2, 0.1)
    clock.now_s += 30
    time_left.update(2, 0.4)
    clock.now_s += 20
    assert time_left.seconds == pytest.approx(40)
    clock.now_s += 100
    assert time_left.seconds == 0


def test_a_watcher_who_comes_late_needs_one_step_of_progress(clock, time_left):
    time_left.update(2, 0.5)
    clock.now_s += 10
    time_left.update(2, 0.6)
    assert time_left.seconds == pytest.approx(40)
