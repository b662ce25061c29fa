"""Errors of the model server, each with the gRPC status that answers it.

ServingError
├── InvalidArgumentError
├── DeadlineExceededError
├── NotFoundError
├── AlreadyExistsError
├── PermissionDeniedError
├── ResourceExhaustedError
├── FailedPreconditionError
├── AbortedError
├── OutOfRangeError
├── UnimplementedError
├── UnavailableError
├── InternalError
├── DataLossError
├── UnauthenticatedError
└── CancelledError

Messages are TensorFlow Serving's own, word for word: clients match on them.
"""

from typing import ClassVar

from grpc import StatusCode


class ServingError(Exception):
    """A request or a load failed. Bare, it is UNKNOWN."""

    status_code: ClassVar[StatusCode] = StatusCode.UNKNOWN

    @property
    def message(self) -> str:
        """What went wrong, for the caller."""
        return str(self.args[0])

    @property
    def error_code(self) -> int:
        """The status as a number, as in `StatusProto.error_code`."""
        return int(self.status_code.value[0])

    def status_string(self) -> str:
        """Code and message in one, such as `NOT_FOUND: no such file`."""
        return f"{self.status_code.name}: {self.message}"


class InvalidArgumentError(ServingError):
    """The request is wrong, whatever the state of the server."""

    status_code = StatusCode.INVALID_ARGUMENT


class DeadlineExceededError(ServingError):
    """The caller's time ran out first."""

    status_code = StatusCode.DEADLINE_EXCEEDED


class NotFoundError(ServingError):
    """No such model, version or file."""

    status_code = StatusCode.NOT_FOUND


class AlreadyExistsError(ServingError):
    """What the graph would create is there."""

    status_code = StatusCode.ALREADY_EXISTS


class PermissionDeniedError(ServingError):
    """A file may not be read."""

    status_code = StatusCode.PERMISSION_DENIED


class ResourceExhaustedError(ServingError):
    """Too little memory for the request."""

    status_code = StatusCode.RESOURCE_EXHAUSTED


class FailedPreconditionError(ServingError):
    """The server or the model is not in a state to do this."""

    status_code = StatusCode.FAILED_PRECONDITION


class AbortedError(ServingError):
    """The graph gave up midway."""

    status_code = StatusCode.ABORTED


class OutOfRangeError(ServingError):
    """A file ended too early."""

    status_code = StatusCode.OUT_OF_RANGE


class UnimplementedError(ServingError):
    """The original can do this, the stand-in cannot."""

    status_code = StatusCode.UNIMPLEMENTED


class UnavailableError(ServingError):
    """Not now; later perhaps."""

    status_code = StatusCode.UNAVAILABLE


class InternalError(ServingError):
    """A fault of the server or of the model."""

    status_code = StatusCode.INTERNAL


class DataLossError(ServingError):
    """A file is damaged."""

    status_code = StatusCode.DATA_LOSS


class UnauthenticatedError(ServingError):
    """A file system wants to know who asks."""

    status_code = StatusCode.UNAUTHENTICATED


class CancelledError(ServingError):
    """Given up because nobody wants it any more."""

    status_code = StatusCode.CANCELLED


_BY_CODE = {error("").error_code: error for error in ServingError.__subclasses__()}


def error_of_code(code: int, message: str) -> ServingError:
    """The error of a numeric status code, such as TensorFlow's runtime returns; UNKNOWN for one not in the tree."""
    return _BY_CODE.get(code, ServingError)(message)
