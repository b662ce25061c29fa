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
    remaining_s = context.time_remaining()
    given_s = min(settings.default_deadline_s if remaining_s is None else remaining_s, settings.max_deadline_s)
    _ends_at.set(asyncio.get_running_loop().time() + given_s)
    return given_s


def left_s() -> float:
    """Returns the time that is left of a call that has begun, in seconds; negative where it is over."""
    return _ends_at.get() - asyncio.get_running_loop().time()
