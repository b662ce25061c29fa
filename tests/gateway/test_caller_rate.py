"""Tokens of callers."""

import pytest

from gateway.caller_rate import CallerRate


class _Clock:
    def __init__(self):
        self.now_s = 0.0

    def __call__(self):
        return self.now_s


@pytest.fixture
def clock():
    return _Clock()


def test_a_burst_goes_and_then_a_steady_rate(clock):
    rate = CallerRate(10, 3, clock)
    assert [rate.take("a") for _ in range(3)] == [0, 0, 0]
    assert rate.take("a") == pytest.approx(0.1)
    clock.now_s += 0.05
    assert rate.take("a") == pytest.approx(0.05)
    clock.now_s += 0.05
    assert rate.take("a") == 0
    assert rate.take("a") > 0


def test_a_quiet_caller_saves_no_more_than_a_burst(clock):
    rate = CallerRate(10, 3, clock)
    rate.take("a")
    clock.now_s += 3600
    assert [rate.take("a") > 0 for _ in range(4)] == [False, False, False, True]


def test_callers_have_a_bucket_each(clock):
    rate = CallerRate(1, 1, clock)
    assert rate.take("a") == 0
    assert rate.take("a") > 0
    assert rate.take("b") == 0


def test_tokens_may_be_reserved_one_after_the_other(clock):
    rate = CallerRate(10, 1, clock)
    assert [rate.reserve("a") for _ in range(3)] == pytest.approx([0, 0.1, 0.2])


def test_a_token_that_is_there_is_not_waited_for(clock):
    assert CallerRate(10, 3, clock).reserve("a") == 0


def test_a_token_that_is_given_back_is_there_for_the_next(clock):
    rate = CallerRate(10, 1, clock)
    assert [rate.reserve("a") for _ in range(4)][-1] == pytest.approx(0.3)
    for _ in range(3):
        rate.give_back("a")
    assert rate.reserve("a") == pytest.approx(0.1)


def test_the_number_of_buckets_is_bounded(clock):
    rate = CallerRate(1, 1, clock)
    for number in range(20_000):
        rate.take(str(number))
    assert len(rate._buckets) == 10_000
    assert rate.take("19999") > 0  # the latest are kept


def test_a_flood_of_names_refills_no_bucket_that_is_in_use(clock):
    rate = CallerRate(1, 1, clock)
    rate.take("busy")
    for number in range(20_000):
        rate.take(str(number))
        assert number % 5_000 or rate.take("busy") > 0
