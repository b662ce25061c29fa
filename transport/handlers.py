"""What handles calls, in gateway and trainer alike."""

import inspect
from typing import Any

HEALTH = "grpc.health.v1."
"""What the names of methods begin with that ask each second whether a process is well: too many for a trace each."""

UNKNOWN_METHOD = "/other"
"""What methods that are not here are called in metrics, traces and rights: their own names are the callers', and
without end."""


def of_its_kind(behaviour: Any, yielding: Any, returning: Any) -> Any:
    """Returns what wraps a handler's function: grpc.aio asks it which of the two it is, so both have to be the same.

    Args:
      behaviour: of a handler.
      yielding: in its place, where it is an async generator.
      returning: in its place where not, also where it writes a stream of answers itself.
    """
    return yielding if inspect.isasyncgenfunction(behaviour) else returning
