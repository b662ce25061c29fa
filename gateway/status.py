"""From an error to what the caller is told: google.rpc.Status with its details."""

import logging
import math
from typing import NamedTuple

import grpc
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from gateway.errors import ForwardedError, GatewayError
from gateway.imaging import InvalidImageError
from gateway.telemetry.metrics import ERRORS
from observability import request_id
from transport.brevity import brief

ERROR_DOMAIN = "braintumor"
"""ErrorInfo.domain of every error."""

_logger = logging.getLogger(__name__)


class _Account(NamedTuple):
    code: grpc.StatusCode
    reason: str
    message: str
    field: str | None = None
    retry_after_s: float | None = None


def to_status(error: Exception) -> status_pb2.Status:
    """Returns what the caller may know about an error, and logs the rest.

    Returns:
      A status with ErrorInfo always, BadRequest where a field of the request is to blame, and RetryInfo where a
      retry may help. An error of no known kind is INTERNAL, with a fixed text and the request id. What the trainer
      said is passed on as it is.

    Source: AIP-193.
    """
    if isinstance(error, ForwardedError):
        return error.status
    account = _account_of(error)
    ERRORS.labels(account.reason).inc()
    if account.code is grpc.StatusCode.INTERNAL:
        _logger.error("call failed", extra={"reason": account.reason}, exc_info=error)
    else:
        _logger.debug("call refused", extra={"reason": account.reason, "refusal": account.message})
    status = status_pb2.Status(code=account.code.value[0], message=account.message)
    for detail in _details_of(account):
        status.details.add().Pack(detail)
    return status


def _account_of(error: Exception) -> _Account:
    match error:
        case GatewayError():
            return _Account(error.status_code, error.reason, brief(str(error)), retry_after_s=error.retry_after_s)
        case InvalidImageError():
            return _Account(grpc.StatusCode.INVALID_ARGUMENT, error.reason, brief(str(error)), field="image")
        case _:
            message = f"Internal error. If it stays, report it with request id {request_id.current.get()}."
            return _Account(grpc.StatusCode.INTERNAL, "INTERNAL", message)


def _details_of(account: _Account) -> list[Message]:
    details: list[Message] = [error_details_pb2.ErrorInfo(reason=account.reason, domain=ERROR_DOMAIN)]
    if account.field is not None:
        violation = error_details_pb2.BadRequest.FieldViolation(field=account.field, description=account.message)
        details.append(error_details_pb2.BadRequest(field_violations=[violation]))
    if account.retry_after_s is not None:
        delay = Duration()
        delay.FromMilliseconds(math.ceil(account.retry_after_s * 1000))
        details.append(error_details_pb2.RetryInfo(retry_delay=delay))
    return details
