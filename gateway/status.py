"""From an error to what the caller is told: google.rpc.Status with its details."""

import logging
import math
import time
import traceback

import grpc
from google.rpc import status_pb2

from gateway.errors import ForwardedError, GatewayError
from gateway.imaging import InvalidImageError
from gateway.telemetry import call
from gateway.telemetry.metrics import ERRORS
from observability import request_id
from transport.status import internal, reason_of, status_of

_TRACEBACK_PAUSE_S = 60.0
"""Between two of the same: a model that fails on every image would fill a log with them."""

_traced_s: dict[tuple[type[Exception], str, int], float] = {}
"""When the traceback of an error was logged last, by its type and the line that raised its first cause."""

_logger = logging.getLogger(__name__)


def to_status(error: Exception) -> status_pb2.Status:
    """Returns what the caller may know about an error, and logs the rest. Here it ends: it has no traceback any more.

    Returns:
      As of `status_of`. An error of no known kind is INTERNAL, with a fixed text. Every INTERNAL tells the request id,
      which images of a stream have from nowhere else. What the trainer said is passed on as it is.
    """
    match error:
        case ForwardedError():
            call.reason.set(reason_of(error.status))
            return error.status
        case GatewayError(reason=reason, status_code=grpc.StatusCode.INTERNAL):
            status = internal(request_id.current.get(), reason, str(error))
        case GatewayError(reason=reason):
            status = status_of(error.status_code, reason, str(error), retry_after_s=error.retry_after_s)
        case InvalidImageError(reason=reason):
            status = status_of(grpc.StatusCode.INVALID_ARGUMENT, reason, str(error), field="image")
        case _:
            reason, status = "INTERNAL", internal(request_id.current.get())
    call.reason.set(reason)
    ERRORS.labels(reason).inc()
    if status.code == grpc.StatusCode.INTERNAL.value[0]:
        told = {"reason": reason, "problem": repr(error)}
        _logger.error("call failed", extra=told, exc_info=error if _is_news(error) else None)
    else:
        _logger.debug("call refused", extra={"reason": reason, "refusal": status.message})
    # A frame that it came through may know it, as one that chose among several; and another one has the image. Such a
    # circle stays until garbage is collected, which goes by the number of objects and not by their size.
    error.__traceback__ = None
    return status


def _is_news(error: Exception) -> bool:
    root: BaseException = error
    while root.__cause__ is not None:
        root = root.__cause__
    frames = traceback.extract_tb(root.__traceback__)
    place = (type(error), frames[-1].filename, frames[-1].lineno or 0) if frames else (type(error), "", 0)
    now_s = time.monotonic()
    if now_s < _traced_s.get(place, -math.inf) + _TRACEBACK_PAUSE_S:
        return False
    _traced_s[place] = now_s
    return True
