"""How calls end."""

import asyncio
from types import SimpleNamespace

import grpc
import pytest

from transport.calls import status_name


@pytest.mark.parametrize(
    ("remaining_s", "name"),
    [(None, "CANCELLED"), (2.0, "CANCELLED"), (0.02, "DEADLINE_EXCEEDED"), (0.0, "DEADLINE_EXCEEDED")],
)
def test_a_call_that_breaks_off_at_about_its_deadline_has_reached_it(remaining_s, name):
    context = SimpleNamespace(time_remaining=lambda: remaining_s, code=lambda: grpc.StatusCode.OK)
    assert status_name(context, asyncio.CancelledError()) == name
