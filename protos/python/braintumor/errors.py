"""The error that callers of the service meet."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol, cast

import grpc
from google.protobuf.message import DecodeError, Message
from google.rpc import error_details_pb2, status_pb2

_STATUS_KEY = "grpc-status-details-bin"
_CODES = {code.value[0]: code for code in grpc.StatusCode}

LOST_RACE = "Internal error from Core"
"""What grpc.aio says where a request is written while the call ends; the status that ended it is lost."""

_REFUSED_STREAM = "RST_STREAM with error code 7"
"""What gRPC says of a call for which its connection has no room: it has not reached the service."""

_REFUSED_STREAM_PAUSE_S = 1.0


class ServiceError(Exception):
    """A call failed, or one image of a stream.

    Attributes:
      code: gRPC status; never OK.
      reason: stable UPPER_SNAKE word of the service, such as "UNSUPPORTED_FORMAT"; empty where the failure is
        not the service's own, as where it was not reached.
      message: a sentence for people.
      retry_after_s: seconds after which the service asks to try again, or after which a connection with too many calls
        may have room for one more; None where neither is so.
    """

    def __init__(
        self, code: grpc.StatusCode, message: str, reason: str = "", retry_after_s: float | None = None
    ) -> None:
        super().__init__(code, message, reason, retry_after_s)
        self.code = code
        self.reason = reason
        self.message = message
        self.retry_after_s = retry_after_s

    def __str__(self) -> str:
        words = f"{self.code.name}, {self.reason}" if self.reason else self.code.name
        return f"{self.message} ({words})"

    @property
    def unreached(self) -> bool:
        """Whether the service cannot be reached, or gave no answer in time, whichever side noticed that first."""
        away = self.code is grpc.StatusCode.UNAVAILABLE and not self.reason and self.retry_after_s is None
        return away or self.code is grpc.StatusCode.DEADLINE_EXCEEDED


class _FailedCall(Protocol):
    """What the errors of `grpc` and of `grpc.aio` have in common."""

    def code(self) -> grpc.StatusCode: ...
    def details(self) -> str | None: ...
    def trailing_metadata(self) -> Sequence[tuple[str, str | bytes]] | None: ...


@contextmanager
def service_errors() -> Iterator[None]:
    """Raises errors of gRPC as ServiceError."""
    try:
        yield
    except grpc.RpcError as err:
        raise _from_call(cast(_FailedCall, err)) from err


def from_status(status: status_pb2.Status) -> ServiceError:
    """Makes the error of a google.rpc.Status; a code that gRPC does not know is UNKNOWN."""
    info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
    _unpack(status, info)
    return ServiceError(
        _CODES.get(status.code, grpc.StatusCode.UNKNOWN),
        status.message,
        reason=info.reason,
        retry_after_s=retry.retry_delay.ToTimedelta().total_seconds() if _unpack(status, retry) else None,
    )


def _from_call(failed: _FailedCall) -> ServiceError:
    for key, value in failed.trailing_metadata() or ():
        if key == _STATUS_KEY and isinstance(value, bytes):
            try:
                return from_status(status_pb2.Status.FromString(value))
            except DecodeError:
                break
    if failed.details() == LOST_RACE:
        return ServiceError(grpc.StatusCode.UNAVAILABLE, "the stream broke while a request was on its way")
    if _REFUSED_STREAM in (failed.details() or ""):
        message = "there are too many calls at once over one connection; predict_stream takes one for many images"
        return ServiceError(grpc.StatusCode.UNAVAILABLE, message, retry_after_s=_REFUSED_STREAM_PAUSE_S)
    return ServiceError(failed.code(), failed.details() or "")


def _unpack(status: status_pb2.Status, detail: Message) -> bool:
    return any(packed.Unpack(detail) for packed in status.details)
