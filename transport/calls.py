"""What gateway and trainer know of calls alike: names of methods, of the caller's metadata key, and how calls end."""

import asyncio
import inspect
from typing import Any

import grpc

from transport.status import CODES

CALLER_KEY = "x-caller"
"""Metadata key under which the gateway tells the trainer who calls; what callers themselves send there goes no further
than the gateway."""

HEALTH = "grpc.health.v1."
"""What the names of methods begin with that ask each second whether a process is well: too many for a trace each."""

UNKNOWN_METHOD = "/other"
"""What methods that are not here are called in metrics, traces and rights: their own names are the callers', and
without end."""

WAIT = "/google.longrunning.Operations/WaitOperation"
"""The one method that takes as long as a job does and is no stream."""

_MAX_METADATA_BYTES = 16 * 2**10

METADATA_SIZE = (
    ("grpc.max_metadata_size", _MAX_METADATA_BYTES),
    ("grpc.absolute_max_metadata_size", _MAX_METADATA_BYTES),
)
"""Options of a server: how much metadata a call may have. Else gRPC, from half of it on, refuses some calls at random:
a token with many groups in it was good for one call, and not for the next."""

# A deadline ends at the caller first, and looks here as if the caller had left: gRPC rounds it up, by one in a hundred
# at most, and the way here takes time, of a short one less than half.
_ROUNDING, _WAY_S = 0.01, 0.1


def of_its_kind(behaviour: Any, yielding: Any, returning: Any) -> Any:
    """Returns the one of two wrappers that is of the same kind as what it wraps: grpc.aio looks at that.

    Args:
      behaviour: function of a handler.
      yielding: wraps it where it is an async generator.
      returning: wraps it where it is a coroutine function, be it one that writes a stream of answers itself.
    """
    return yielding if inspect.isasyncgenfunction(behaviour) else returning


def status_name(context: grpc.aio.ServicerContext[Any, Any], error: BaseException | None, duration_s: float) -> str:
    """Returns the name of the gRPC status that a call ends with.

    Args:
      context: of the call.
      error: that leaves its handler, None for none.
      duration_s: of the call, in seconds.
    """
    if isinstance(error, asyncio.CancelledError | GeneratorExit):
        # gRPC cancels the handler of a caller who is gone, and also at the deadline. A stream's handler that has
        # just given it an answer is closed instead.
        remaining_s = context.time_remaining()
        near_s = max(_ROUNDING * duration_s, min(_WAY_S, duration_s / 2))
        return "DEADLINE_EXCEEDED" if remaining_s is not None and remaining_s <= near_s else "CANCELLED"
    code = context.code()
    number = code.value[0] if isinstance(code, grpc.StatusCode) else code
    return CODES.get(number or 0, grpc.StatusCode.UNKNOWN).name
