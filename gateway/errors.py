"""Errors of the gateway, and what callers are told about each.

    GatewayError
    ├── MalformedRequestError          INVALID_ARGUMENT
    ├── MethodUnknownError             UNIMPLEMENTED
    ├── CredentialsMissingError        UNAUTHENTICATED
    ├── TokenInvalidError              UNAUTHENTICATED
    ├── TokenExpiredError              UNAUTHENTICATED
    ├── RightMissingError              PERMISSION_DENIED
    ├── KeysUnavailableError           UNAVAILABLE, retry
    ├── UnknownServiceError            NOT_FOUND
    ├── ModelVersionNotFoundError      NOT_FOUND
    ├── VersionLabelNotFoundError      NOT_FOUND
    ├── ExplanationUnavailableError    UNIMPLEMENTED
    ├── DeadlineExceededError          DEADLINE_EXCEEDED
    ├── RequestLateError               DEADLINE_EXCEEDED
    ├── CallerRateExceededError        RESOURCE_EXHAUSTED, retry
    ├── QueueFullError                 RESOURCE_EXHAUSTED, retry
    ├── DeadlineUnreachableError       RESOURCE_EXHAUSTED, retry
    ├── ServingBusyError               RESOURCE_EXHAUSTED, retry
    ├── ServingUnavailableError        UNAVAILABLE, retry
    ├── NoModelError                   UNAVAILABLE, retry
    ├── VersionGoneError               UNAVAILABLE, retry
    ├── TrainerUnavailableError        UNAVAILABLE, retry
    ├── AuditLogUnavailableError       UNAVAILABLE, retry
    ├── StoppingError                  UNAVAILABLE, retry
    ├── UnsupportedSignatureError      FAILED_PRECONDITION
    └── ModelFailedError               INTERNAL

Beside it stand `gateway.imaging.InvalidImageError`, which knows nothing of gRPC: INVALID_ARGUMENT, and
ForwardedError: whatever the trainer said.
Everything else is INTERNAL with a fixed text. `gateway.status` does the mapping.
"""

from typing import ClassVar

import grpc
from google.rpc import status_pb2


class GatewayError(Exception):
    """An error with a message for the caller: the value, the limit and the remedy, and nothing of the inside."""

    status_code: ClassVar[grpc.StatusCode] = grpc.StatusCode.INTERNAL
    """gRPC status of the answer."""
    reason: ClassVar[str] = "INTERNAL"
    """Stable UPPER_SNAKE name, sent as ErrorInfo.reason."""
    retry_after_s: float | None = None
    """After how long a retry may help, sent as RetryInfo; None where it does not help."""

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        if retry_after_s is not None:
            self.retry_after_s = retry_after_s

    def for_another_caller(self) -> "GatewayError":
        """A copy that this one caused: one exception raised in many tasks would gather all their tracebacks."""
        copy = type(self)(str(self), self.retry_after_s)
        copy.__cause__ = self
        return copy


class MalformedRequestError(GatewayError):
    """The bytes of a request are no message of its method."""

    status_code = grpc.StatusCode.INVALID_ARGUMENT
    reason = "REQUEST_MALFORMED"


class MethodUnknownError(GatewayError):
    """The call is for a method that is not here."""

    status_code = grpc.StatusCode.UNIMPLEMENTED
    reason = "METHOD_UNKNOWN"


class CredentialsMissingError(GatewayError):
    """The call carries nothing that tells who makes it."""

    status_code = grpc.StatusCode.UNAUTHENTICATED
    reason = "CREDENTIALS_MISSING"


class TokenInvalidError(GatewayError):
    """The call's token is none that was given out for this service, or not any more."""

    status_code = grpc.StatusCode.UNAUTHENTICATED
    reason = "TOKEN_INVALID"


class TokenExpiredError(GatewayError):
    """The call's token was good once."""

    status_code = grpc.StatusCode.UNAUTHENTICATED
    reason = "TOKEN_EXPIRED"


class RightMissingError(GatewayError):
    """The caller is known, and may not do that."""

    status_code = grpc.StatusCode.PERMISSION_DENIED
    reason = "RIGHT_MISSING"


class KeysUnavailableError(GatewayError):
    """The keys by which tokens are checked cannot be had at the moment."""

    status_code = grpc.StatusCode.UNAVAILABLE
    reason = "KEYS_UNAVAILABLE"
    retry_after_s = 10.0


class UnknownServiceError(GatewayError):
    """A health check names a service that is not here."""

    status_code = grpc.StatusCode.NOT_FOUND
    reason = "UNKNOWN_SERVICE"


class ModelVersionNotFoundError(GatewayError):
    """Serving does not hold the version that was asked for."""

    status_code = grpc.StatusCode.NOT_FOUND
    reason = "MODEL_VERSION_NOT_FOUND"


class VersionLabelNotFoundError(GatewayError):
    """Serving does not know the label that was asked for."""

    status_code = grpc.StatusCode.NOT_FOUND
    reason = "VERSION_LABEL_NOT_FOUND"


class ExplanationUnavailableError(GatewayError):
    """The version has no signature that explains."""

    status_code = grpc.StatusCode.UNIMPLEMENTED
    reason = "EXPLANATION_UNAVAILABLE"


class DeadlineExceededError(GatewayError):
    """The caller's time ran out first."""

    status_code = grpc.StatusCode.DEADLINE_EXCEEDED
    reason = "DEADLINE_EXCEEDED"


class RequestLateError(GatewayError):
    """The caller has not sent its request in time: nothing here was late."""

    status_code = grpc.StatusCode.DEADLINE_EXCEEDED
    reason = "REQUEST_LATE"


class CallerRateExceededError(GatewayError):
    """The caller has made more calls than its share."""

    status_code = grpc.StatusCode.RESOURCE_EXHAUSTED
    reason = "CALLER_RATE_EXCEEDED"


class QueueFullError(GatewayError):
    """More images are in work, or more calls and streams of a caller wait, than the gateway takes at a time."""

    status_code = grpc.StatusCode.RESOURCE_EXHAUSTED
    reason = "QUEUE_FULL"
    retry_after_s = 0.5


class DeadlineUnreachableError(GatewayError):
    """So much is in work that the answer would come too late."""

    status_code = grpc.StatusCode.RESOURCE_EXHAUSTED
    reason = "DEADLINE_UNREACHABLE"


class ServingBusyError(GatewayError):
    """Serving has no thread left for the call."""

    status_code = grpc.StatusCode.RESOURCE_EXHAUSTED
    reason = "SERVING_BUSY"
    retry_after_s = 0.5


class ServingUnavailableError(GatewayError):
    """Serving cannot be reached, or left in mid-call."""

    status_code = grpc.StatusCode.UNAVAILABLE
    reason = "SERVING_UNAVAILABLE"
    retry_after_s = 1.0


class NoModelError(GatewayError):
    """Serving is there, and has no version for calls that name none."""

    status_code = grpc.StatusCode.UNAVAILABLE
    reason = "NO_MODEL_AVAILABLE"
    retry_after_s = 1.0


class VersionGoneError(GatewayError):
    """A version left between the look at serving and the call."""

    status_code = grpc.StatusCode.UNAVAILABLE
    reason = "MODEL_VERSION_GONE"
    retry_after_s = 1.0


class TrainerUnavailableError(GatewayError):
    """The trainer cannot be reached, or left in mid-call."""

    status_code = grpc.StatusCode.UNAVAILABLE
    reason = "TRAINER_UNAVAILABLE"
    retry_after_s = 1.0


class AuditLogUnavailableError(GatewayError):
    """A verdict cannot be recorded where every verdict shall be."""

    status_code = grpc.StatusCode.UNAVAILABLE
    reason = "AUDIT_LOG_UNAVAILABLE"
    retry_after_s = 1.0


class StoppingError(GatewayError):
    """The gateway is about to end, and the call would outlast it."""

    status_code = grpc.StatusCode.UNAVAILABLE
    reason = "GATEWAY_STOPPING"
    retry_after_s = 1.0


class UnsupportedSignatureError(GatewayError):
    """The version's signature is none that the gateway can feed."""

    status_code = grpc.StatusCode.FAILED_PRECONDITION
    reason = "SIGNATURE_UNSUPPORTED"


class ModelFailedError(GatewayError):
    """Serving took the image and failed on it, or answered what no verdict can be read from."""

    reason = "MODEL_FAILED"


class ForwardedError(Exception):
    """The trainer refused a call that is its own.

    Attributes:
      status: its word, which the caller is told unchanged.
    """

    def __init__(self, status: status_pb2.Status) -> None:
        super().__init__(status)
        self.status = status
