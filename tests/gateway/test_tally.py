"""Counts of callers."""

import pytest

from gateway.caller import current as current_caller
from gateway.tally import Tally


@pytest.fixture
def tally():
    return Tally()


def test_each_caller_has_a_count_of_its_own(tally):
    current_caller.set("a")
    with tally.one_more():
        with tally.one_more():
            assert tally.own() == 2
        assert tally.own() == 1
        current_caller.set("b")
        assert tally.own() == 0


def test_it_keeps_nothing_of_callers_who_have_nothing(tally):
    for number in range(3):
        current_caller.set(str(number))
        assert tally.own() == 0
        with tally.one_more():
            pass
    assert not tally._counts


def test_what_fails_counts_no_more(tally):
    with pytest.raises(ValueError, match="bad"), tally.one_more():
        raise ValueError("bad")
    assert tally.own() == 0
