"""google.rpc.Status with its details, as gateway and trainer tell their callers what went wrong."""

import math

import grpc
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2, status_pb2

ERROR_DOMAIN = "braintumor"
"""ErrorInfo.domain of every error."""

_MAX_MESSAGE_BYTES = 1024
"""gRPC takes 8 KiB of headers in all, and a message goes out three times: as itself, where a byte beyond ASCII is
three, and twice in the details."""

DETAILS_KEY = "grpc-status-details-bin"
"""Metadata key of a status with its details."""

CODES = {code.value[0]: code for code in grpc.StatusCode}
"""Codes by their number, which is what a status has."""


def status_of(
    code: grpc.StatusCode, reason: str, message: str, field: str | None = None, retry_after_s: float | None = None
) -> status_pb2.Status:
    """Returns a status with ErrorInfo.

    Args:
      code: of gRPC.
      reason: stable UPPER_SNAKE name.
      message: for the caller. It is cut where it is too long to arrive.
      field: path of the field of the request that is to blame, sent as BadRequest.
      retry_after_s: after how long a retry may help, sent as RetryInfo.

    Source: AIP-193.
    """
    message = brief(message)
    status = status_pb2.Status(code=code.value[0], message=message)
    status.details.add().Pack(error_details_pb2.ErrorInfo(reason=reason, domain=ERROR_DOMAIN))
    if field is not None:
        violation = error_details_pb2.BadRequest.FieldViolation(field=field, description=message)
        status.details.add().Pack(error_details_pb2.BadRequest(field_violations=[violation]))
    if retry_after_s is not None:
        delay = Duration()
        delay.FromMilliseconds(math.ceil(retry_after_s * 1000))
        status.details.add().Pack(error_details_pb2.RetryInfo(retry_delay=delay))
    return status


def brief(message: str) -> str:
    """Returns a message, cut where it is too long for a status."""
    encoded = message.encode(errors="replace")  # names of files may hold bytes that are no text
    if len(encoded) <= _MAX_MESSAGE_BYTES:
        return encoded.decode()
    return encoded[: _MAX_MESSAGE_BYTES - 3].decode(errors="ignore") + "…"


def reason_of(status: status_pb2.Status) -> str:
    """Returns the ErrorInfo.reason of a status; empty where it has none."""
    info = error_details_pb2.ErrorInfo()
    return next((info.reason for detail in status.details if detail.Unpack(info)), "")


def internal(request_id: str, reason: str = "INTERNAL", message: str = "Internal error.") -> status_pb2.Status:
    """Returns what is told of an error that is the service's own, with the id by which the log knows more."""
    told = f"{message} If it stays, report it with request id {request_id}."
    return status_of(grpc.StatusCode.INTERNAL, reason, told)
