"""What can go wrong in the trainer, as one tree.

TrainerError
├── DatasetError              the labelled slices cannot become a data set
│   ├── LabelFileError        the label file is missing, unreadable or ambiguous
│   │   └── NoLabelsError     it is no label file at all
│   ├── SourceError           the directory or archive of images cannot be read
│   └── TooFewSlicesError     what is left cannot be split to train, validate and test
├── SeenSlicesError           a network would be tested on what it was fitted to
├── NpzError                  a file is no data set of ours
├── UnknownArchitectureError  no such line in ARCHITECTURES
├── KeptNetworkError          the network of a version cannot be kept
├── PublicationError          a version cannot be written
├── RolloutError              a version does not become what was asked for; the one before stays
│   ├── NoPreviousVersionError  there is none to go back to
│   └── NoStableVersionError  there is none beside which a canary could be tried
├── ModelVersionNotFoundError  no such version on disk
├── ModelReportNotFoundError  a version came without a report
├── BrokenModelError          the files of a model cannot be loaded
├── ServingUnavailableError   serving cannot be reached now, or is busy; a retry may help
├── ServingRefusedError       serving says no
├── TrainingDivergedError     the loss, or what a network answers, is no number
├── MalformedRequestError     the bytes of a request are no message, or too many
├── MethodUnknownError        no such method
├── UnknownServiceError       no such service to be healthy
├── AuditTrailUnavailableError  what was asked for cannot be recorded
├── InvalidFieldError         a field of a request is wrong
├── RequestIdReusedError      the id of another request
├── OperationNotFoundError    no such operation
├── OperationUnfinishedError  it has not ended yet
├── QueueFullError            too many jobs wait
├── StoreError                operations cannot be read or written now
├── StoppingError             the trainer is about to end
├── DiskFullError             no space is left
├── SystemLimitError          no more files can be opened, or processes started
├── OutOfMemoryError          no memory is left, or a process was killed for want of it
└── ChildError                a child process ended with an error of its own, or crashed

Of a job that was cancelled callers get CANCELLED, and of everything else INTERNAL with a fixed text: `trainer.status`.
"""

from typing import ClassVar

import grpc


class TrainerError(Exception):
    """Base of all. Its message is fit for a caller: what was wrong, the limit and the remedy."""

    status_code: ClassVar[grpc.StatusCode] = grpc.StatusCode.FAILED_PRECONDITION
    """gRPC status of the answer."""
    reason: ClassVar[str] = "TRAINER_ERROR"
    """Stable UPPER_SNAKE name, sent as ErrorInfo.reason."""
    field: str | None = None
    """Path of the field of the request that is to blame, sent as BadRequest."""
    retry_after_s: float | None = None
    """After how long a retry may help, sent as RetryInfo."""


class DatasetError(TrainerError):
    """The labelled slices cannot become a data set."""

    reason = "DATASET_INVALID"


class LabelFileError(DatasetError):
    """The label file is missing, unreadable or ambiguous."""

    reason = "LABEL_FILE_INVALID"


class NoLabelsError(LabelFileError):
    """It is no label file at all."""


class SourceError(DatasetError):
    """The directory or archive of images cannot be read."""

    reason = "IMAGE_SOURCE_INVALID"


class TooFewSlicesError(DatasetError):
    """What is left cannot be split to train, validate and test."""

    reason = "TOO_FEW_SLICES"


class SeenSlicesError(TrainerError):
    """A network would be tested on slices that it was fitted to."""

    reason = "TEST_SLICES_SEEN"


class NpzError(TrainerError):
    """A file is no data set of ours: missing, damaged, or with other arrays."""

    reason = "NPZ_INVALID"


class UnknownArchitectureError(TrainerError):
    """No such line in ARCHITECTURES."""

    status_code = grpc.StatusCode.INVALID_ARGUMENT
    field = "architecture"
    reason = "UNKNOWN_ARCHITECTURE"


class KeptNetworkError(TrainerError):
    """The network of a version cannot be kept: it was fitted to other data, or its architecture has changed."""

    reason = "NETWORK_NOT_KEPT"


class PublicationError(TrainerError):
    """A version cannot be written."""

    reason = "PUBLICATION_FAILED"


class RolloutError(TrainerError):
    """A version does not load, or does not answer as in training. What was stable before still is."""

    reason = "ROLLOUT_FAILED"


class NoPreviousVersionError(RolloutError):
    """No version was stable before the present one, or it is no longer on disk."""

    reason = "NO_PREVIOUS_VERSION"


class NoStableVersionError(RolloutError):
    """A canary is wanted, and no version is stable."""

    reason = "NO_STABLE_VERSION"


class ModelVersionNotFoundError(TrainerError):
    """There is no such version on disk."""

    status_code = grpc.StatusCode.NOT_FOUND
    reason = "MODEL_VERSION_NOT_FOUND"


class BrokenModelError(TrainerError):
    """The files of a model cannot be loaded."""

    reason = "MODEL_BROKEN"


class ModelReportNotFoundError(TrainerError):
    """The version came without a report of its training."""

    status_code = grpc.StatusCode.NOT_FOUND
    reason = "MODEL_REPORT_NOT_FOUND"


class ServingUnavailableError(TrainerError):
    """Serving cannot be reached at the moment, or has no thread left."""

    status_code = grpc.StatusCode.UNAVAILABLE
    reason = "SERVING_UNAVAILABLE"
    retry_after_s = 1.0


class ServingRefusedError(TrainerError):
    """Serving answered with an error that a retry will not change."""

    reason = "SERVING_REFUSED"


class TrainingDivergedError(TrainerError):
    """The loss is no longer a number, or the answers of the network that came of it are none."""

    reason = "TRAINING_DIVERGED"


class MalformedRequestError(TrainerError):
    """The bytes of a request are no message of its method, or more than any needs."""

    status_code = grpc.StatusCode.INVALID_ARGUMENT
    reason = "REQUEST_MALFORMED"


class MethodUnknownError(TrainerError):
    """The call is for a method that is not here."""

    status_code = grpc.StatusCode.UNIMPLEMENTED
    reason = "METHOD_UNKNOWN"


class UnknownServiceError(TrainerError):
    """A health check names a service that is not here."""

    status_code = grpc.StatusCode.NOT_FOUND
    reason = "UNKNOWN_SERVICE"


class AuditTrailUnavailableError(TrainerError):
    """What was asked for cannot be recorded."""

    status_code = grpc.StatusCode.UNAVAILABLE
    reason = "AUDIT_LOG_UNAVAILABLE"
    retry_after_s = 1.0


class InvalidFieldError(TrainerError):
    """A field of a request is missing, out of range or leads outside the data root."""

    status_code = grpc.StatusCode.INVALID_ARGUMENT
    reason = "INVALID_REQUEST"

    def __init__(self, message: str, field: str) -> None:
        super().__init__(message)
        self.field = field


class RequestIdReusedError(TrainerError):
    """The id belongs to a job that was asked for with other fields."""

    status_code = grpc.StatusCode.ALREADY_EXISTS
    reason = "REQUEST_ID_REUSED"
    field = "request_id"


class OperationNotFoundError(TrainerError):
    """There is no such operation, or it was deleted."""

    status_code = grpc.StatusCode.NOT_FOUND
    reason = "OPERATION_NOT_FOUND"


class OperationUnfinishedError(TrainerError):
    """The operation has not ended yet."""

    reason = "OPERATION_UNFINISHED"


class QueueFullError(TrainerError):
    """As many jobs wait as are allowed to."""

    status_code = grpc.StatusCode.RESOURCE_EXHAUSTED
    reason = "QUEUE_FULL"
    retry_after_s = 60.0


class StoreError(TrainerError):
    """The database of the operations cannot be read or written at the moment."""

    status_code = grpc.StatusCode.UNAVAILABLE
    reason = "STORE_UNAVAILABLE"
    retry_after_s = 5.0


class StoppingError(TrainerError):
    """The trainer is about to end; its jobs go on when it is back."""

    status_code = grpc.StatusCode.UNAVAILABLE
    reason = "TRAINER_STOPPING"
    retry_after_s = 5.0


class DiskFullError(TrainerError):
    """No space is left under the data root."""

    status_code = grpc.StatusCode.RESOURCE_EXHAUSTED
    reason = "DISK_FULL"
    retry_after_s = 60.0


class SystemLimitError(TrainerError):
    """As many files are open, or processes at work, as the system lets the trainer have at a time."""

    status_code = grpc.StatusCode.RESOURCE_EXHAUSTED
    reason = "SYSTEM_LIMIT"
    retry_after_s = 5.0


class OutOfMemoryError(TrainerError):
    """No memory is left, or a process was killed, which is how a machine without memory helps itself."""

    status_code = grpc.StatusCode.RESOURCE_EXHAUSTED
    reason = "OUT_OF_MEMORY"


class ChildError(TrainerError):
    """A child process ended with an error of its own, which this carries on, or crashed."""

    def __init__(
        self,
        message: str,
        status_code: grpc.StatusCode = grpc.StatusCode.INTERNAL,
        reason: str = "CHILD_CRASHED",
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status_code = status_code  # type: ignore[misc]  # of one child, not of the class
        self.reason = reason  # type: ignore[misc]  # the same
        self.retry_after_s = retry_after_s
