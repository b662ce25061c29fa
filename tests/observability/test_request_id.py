"""Ids of calls."""

import pytest

from observability import request_id


def test_a_callers_id_is_kept():
    assert request_id.accept("order-42/a.b:c") == "order-42/a.b:c"


@pytest.mark.parametrize("offered", [None, "", "two words", "line\nbreak", "x" * 129, b"bytes", "Ünïcode"])
def test_what_does_not_suit_a_log_is_replaced(offered):
    fresh = request_id.accept(offered)
    assert fresh != offered
    assert len(fresh) == 16


def test_fresh_ids_differ():
    assert len({request_id.accept(None) for _ in range(1000)}) == 1000
