"""From an error to what callers are told: google.rpc.Status with its details."""

import logging

import grpc
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2, status_pb2

from observability import request_id
from trainer.errors import TrainerError
from trainer.no_space import told_if_full
from transport.brevity import brief

ERROR_DOMAIN = "braintumor"
"""ErrorInfo.domain of every error."""

_logger = logging.getLogger(__name__)


def to_status(error: Exception) -> status_pb2.Status:
    """Returns what a caller may know about an error, and logs the rest.

    Returns:
      A status with ErrorInfo always, BadRequest where a field of the request is to blame, and RetryInfo where a
      retry may help. An error of no known kind is INTERNAL, with a fixed text and the request id.

    Source: AIP-193.
    """
    told = told_if_full(error)
    if not isinstance(told, TrainerError):
        _logger.error("call failed", exc_info=error)
        message = f"Internal error. If it stays, report it with request id {request_id.current.get()}."
        return status_of(grpc.StatusCode.INTERNAL, "INTERNAL", message)
    _logger.debug("call refused", extra={"reason": told.reason, "refusal": str(told)})
    status = status_of(told.status_code, told.reason, brief(str(told)))
    if told.field is not None:
        violation = error_details_pb2.BadRequest.FieldViolation(field=told.field, description=status.message)
        status.details.add().Pack(error_details_pb2.BadRequest(field_violations=[violation]))
    if told.retry_after_s is not None:
        delay = Duration()
        delay.FromMilliseconds(round(told.retry_after_s * 1000))
        status.details.add().Pack(error_details_pb2.RetryInfo(retry_delay=delay))
    return status


def status_of(code: grpc.StatusCode, reason: str, message: str) -> status_pb2.Status:
    """Returns a status with ErrorInfo."""
    status = status_pb2.Status(code=code.value[0], message=message)
    status.details.add().Pack(error_details_pb2.ErrorInfo(reason=reason, domain=ERROR_DOMAIN))
    return status
