"""From an error to what the caller is told: google.rpc.Status with its details."""

import logging

import grpc
from google.rpc import status_pb2

from gateway.errors import ForwardedError, GatewayError
from gateway.imaging import InvalidImageError
from gateway.telemetry.metrics import ERRORS
from observability import request_id
from transport.status import internal, status_of

_logger = logging.getLogger(__name__)


def to_status(error: Exception) -> status_pb2.Status:
    """Returns what the caller may know about an error, and logs the rest.

    Returns:
      As of `status_of`. An error of no known kind is INTERNAL, with a fixed text and the request id. What the trainer
      said is passed on as it is.
    """
    match error:
        case ForwardedError():
            return error.status
        case GatewayError(reason=reason):
            status = status_of(error.status_code, reason, str(error), retry_after_s=error.retry_after_s)
        case InvalidImageError(reason=reason):
            status = status_of(grpc.StatusCode.INVALID_ARGUMENT, reason, str(error), field="image")
        case _:
            reason, status = "INTERNAL", internal(request_id.current.get())
    ERRORS.labels(reason).inc()
    if status.code == grpc.StatusCode.INTERNAL.value[0]:
        _logger.error("call failed", extra={"reason": reason}, exc_info=error)
    else:
        _logger.debug("call refused", extra={"reason": reason, "refusal": status.message})
    return status
