"""How long a call may take."""

from typing import Any

import grpc

from gateway.settings import Settings


def timeout_s(context: grpc.aio.ServicerContext[Any, Any], settings: Settings) -> float:
    """Returns the time that an image of a call has left, in seconds, by its deadline or the default one."""
    remaining_s = context.time_remaining()
    return min(settings.default_deadline_s if remaining_s is None else remaining_s, settings.max_deadline_s)
