"""What a call has come to, for those who count calls."""

import asyncio
from typing import Any

import grpc

from transport.status import CODES

# Deadlines are rounded up on their way here, so that the caller's own comes first and looks as if it had left.
_ROUNDING_S = 0.1


def status_name(context: grpc.aio.ServicerContext[Any, Any], error: BaseException | None) -> str:
    """Returns the name of the gRPC status that a call ends with.

    Args:
      context: of the call.
      error: that leaves its handler, None for none.
    """
    if isinstance(error, asyncio.CancelledError | GeneratorExit):
        # gRPC cancels the handler of a caller who is gone, and also at the deadline. A stream's handler that has
        # just given it an answer is closed instead.
        remaining_s = context.time_remaining()
        return "DEADLINE_EXCEEDED" if remaining_s is not None and remaining_s <= _ROUNDING_S else "CANCELLED"
    code = context.code()
    number = code.value[0] if isinstance(code, grpc.StatusCode) else code
    return CODES.get(number or 0, grpc.StatusCode.UNKNOWN).name
