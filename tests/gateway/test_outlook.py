"""What awaits an image that comes now."""

import pytest

from gateway.outlook import MeanTime, Outlook


def test_the_first_time_is_the_mean():
    mean = MeanTime()
    mean.note(0.5)
    assert mean.seconds == 0.5


def test_one_slow_image_is_not_the_mean():
    mean = MeanTime()
    mean.note(0.01)
    mean.note(10.0)
    assert 0.01 < mean.seconds < 5.0


def test_a_standstill_is_forgotten():
    mean = MeanTime()
    mean.note(1000.0)
    for _ in range(60):
        mean.note(0.01)
    assert mean.seconds == pytest.approx(0.01, rel=0.2)


def test_what_is_long_ago_no_longer_counts():
    now_s = 0.0
    mean = MeanTime(lambda: now_s)
    mean.note(10.0)
    now_s = 59.0
    assert mean.seconds == 10.0
    now_s = 61.0
    assert mean.seconds == 0.0
    mean.note(0.01)
    assert mean.seconds == 0.01


def test_stages_add_up():
    assert Outlook(1, 2) + Outlook(3, 4) == Outlook(4, 6)
