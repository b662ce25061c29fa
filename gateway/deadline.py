"""How long a call may take."""

import asyncio
from contextvars import ContextVar
from typing import Any

import grpc

from gateway.settings import Settings

_ends_at: ContextVar[float] = ContextVar("deadline")
"""Of the call that the running task works for, by the loop's clock."""


def begin(context: grpc.aio.ServicerContext[Any, Any], settings: Settings) -> float:
    """Settles when the call ends, by its deadline or the default one, and returns how long that is, in seconds."""
    given = given_s(context.time_remaining(), settings)
    _ends_at.set(asyncio.get_running_loop().time() + given)
    return given


def given_s(wanted_s: float | None, settings: Settings) -> float:
    """Returns the time that an image gets, in seconds; `wanted_s` is None where its caller sets no deadline."""
    return min(settings.default_deadline_s if wanted_s is None else wanted_s, settings.max_deadline_s)


def left_s() -> float:
    """Returns the time that is left of a call that has begun, in seconds; negative where it is over."""
    return _ends_at.get() - asyncio.get_running_loop().time()
