"""How long an image may take."""

import pytest

from gateway.deadline import given_s
from gateway.settings import Settings


@pytest.mark.parametrize(("wanted_s", "expected_s"), [(None, 10.0), (3.0, 3.0), (60.0, 20.0)])
def test_the_longest_time_holds_for_every_caller(wanted_s, expected_s):
    assert given_s(wanted_s, Settings(default_deadline_s=10.0, max_deadline_s=20.0)) == expected_s


def test_it_holds_for_those_who_set_none_too():
    assert given_s(None, Settings(default_deadline_s=300.0, max_deadline_s=20.0)) == 20.0
