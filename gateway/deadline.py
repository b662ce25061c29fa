"""When a call has to be answered."""

import asyncio
from contextvars import ContextVar
from typing import Any

import grpc

from gateway.settings import Settings

current: ContextVar[float] = ContextVar("deadline")
"""Deadline of the call that the running task works for, in seconds of the loop's clock."""


def begin(context: grpc.aio.ServicerContext[Any, Any], settings: Settings) -> float:
    """Sets `current`, by what the caller wants or the default; returns the time until then, in seconds."""
    given = given_s(context.time_remaining(), settings)
    current.set(after(given))
    return given


def given_s(wanted_s: float | None, settings: Settings) -> float:
    """Returns the time that an image gets, in seconds; `wanted_s` is None where its caller sets no deadline."""
    return min(settings.default_deadline_s if wanted_s is None else wanted_s, settings.max_deadline_s)


def after(seconds: float) -> float:
    """Returns the deadline of what begins now and has that many seconds."""
    return asyncio.get_running_loop().time() + seconds
