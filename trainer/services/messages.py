"""Operations as messages."""

from dataclasses import asdict

import grpc
from braintumor.v1 import trainer_service_pb2 as pb2
from google.longrunning import operations_pb2
from google.protobuf.timestamp_pb2 import Timestamp

from trainer.errors import InvalidFieldError, OperationNotFoundError
from trainer.jobs.operation import Failure, Operation, Outcome, State, Step
from transport.status import status_of

_PREFIX = "operations/"

_STATES = {
    State.QUEUED: pb2.RETRAIN_STATE_QUEUED,
    State.RUNNING: pb2.RETRAIN_STATE_RUNNING,
    State.SUCCEEDED: pb2.RETRAIN_STATE_SUCCEEDED,
    State.FAILED: pb2.RETRAIN_STATE_FAILED,
    State.CANCELLED: pb2.RETRAIN_STATE_CANCELLED,
}
_STEPS = {
    None: pb2.RETRAIN_STEP_UNSPECIFIED,
    Step.BUILD_DATASET: pb2.RETRAIN_STEP_BUILD_DATASET,
    Step.TRAIN: pb2.RETRAIN_STEP_TRAIN,
    Step.CALIBRATE: pb2.RETRAIN_STEP_CALIBRATE,
    Step.EVALUATE: pb2.RETRAIN_STEP_EVALUATE,
    Step.GATE: pb2.RETRAIN_STEP_GATE,
    Step.PUBLISH: pb2.RETRAIN_STEP_PUBLISH,
}
_COMPLETE = "Model retraining complete"


def operation_message(operation: Operation) -> operations_pb2.Operation:
    """Returns an operation with its RetrainMetadata and, at its end, response or error."""
    message = operations_pb2.Operation(name=f"{_PREFIX}{operation.operation_id}", done=operation.state.is_final)
    message.metadata.Pack(_metadata(operation))
    match operation.result:
        case Outcome() as outcome:
            message.response.Pack(_response(outcome))
        case Failure() as failure:
            code = grpc.StatusCode[failure.status_code]
            told = status_of(code, failure.reason, failure.message, retry_after_s=failure.retry_after_s)
            message.error.CopyFrom(told)
        case None if operation.state is State.CANCELLED:
            message.error.CopyFrom(status_of(grpc.StatusCode.CANCELLED, "CANCELLED", "the job was cancelled"))
    return message


def operation_id(name: str, field: str) -> str:
    """Returns the id in an operation's name.

    Raises:
      InvalidFieldError: there is no name.
      OperationNotFoundError: no operation can have such a name.
    """
    if not name:
        raise InvalidFieldError(f'{field} is empty; give the name that Retrain returned, "operations/…"', field)
    if not name.startswith(_PREFIX):
        raise OperationNotFoundError('no operation has that name; names begin with "operations/"')
    return name.removeprefix(_PREFIX)


def _metadata(operation: Operation) -> pb2.RetrainMetadata:
    progress = operation.progress
    return pb2.RetrainMetadata(
        state=_STATES[operation.state],
        step=_STEPS[progress.step],
        epoch=progress.epoch,
        epochs=operation.order.epochs,
        metrics=None if progress.metrics is None else pb2.Metrics(**asdict(progress.metrics)),
        progress=progress.fraction,
        create_time=_timestamp(operation.created_s),
        start_time=_timestamp(operation.started_s),
        end_time=_timestamp(operation.ended_s),
    )


def _response(outcome: Outcome) -> pb2.RetrainResponse:
    return pb2.RetrainResponse(
        status=_COMPLETE,
        metrics=pb2.Metrics(**asdict(outcome.metrics)),
        evaluation=pb2.Evaluation(**asdict(outcome.evaluation)),
        model_version=outcome.version,
        blessed=outcome.blessed,
        reasons=outcome.reasons,
        excluded=outcome.excluded,
    )


def _timestamp(seconds: float | None) -> Timestamp | None:
    if seconds is None:
        return None
    timestamp = Timestamp()
    timestamp.FromMicroseconds(round(seconds * 1_000_000))
    return timestamp
