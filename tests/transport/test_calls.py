"""How calls end."""

import asyncio
from types import SimpleNamespace

import grpc
import pytest

from transport.calls import status_name


@pytest.mark.parametrize(
    ("remaining_s", "duration_s", "name"),
    [
        (None, 10.0, "CANCELLED"),
        (2.0, 8.0, "CANCELLED"),
        (0.02, 10.0, "DEADLINE_EXCEEDED"),
        (0.0, 0.0, "DEADLINE_EXCEEDED"),
        (0.6, 123.4, "DEADLINE_EXCEEDED"),  # which gRPC sends as 124 s
        (0.08, 0.01, "CANCELLED"),  # as of who has had its answer from another gateway
    ],
)
def test_a_call_that_breaks_off_at_about_its_deadline_has_reached_it(remaining_s, duration_s, name):
    context = SimpleNamespace(time_remaining=lambda: remaining_s, code=lambda: grpc.StatusCode.OK)
    assert status_name(context, asyncio.CancelledError(), duration_s) == name
