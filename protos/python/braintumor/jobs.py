"""Retraining jobs: what is asked for, and what is known of one."""

import uuid
from dataclasses import dataclass
from typing import Any, TypedDict

from google.longrunning import operations_pb2

from braintumor.errors import ServiceError, from_status
from braintumor.v1.trainer_service_pb2 import RetrainMetadata, RetrainRequest, RetrainResponse


class Order(TypedDict, total=False):
    """What to train, and on what. What is left out is the service's to choose.

    Attributes:
      image_dir: directory of the images, below the service's data root, as all paths are.
      target_dir: directory of the label file.
      target_file: name of the label file: CSV with columns Image and Class.
      data_dir: directory to which the data set is written.
      npz_filename: name of the data set's file, ending in ".npz".
      epochs: passes over the training split, 1 to 1000.
      architecture: to train, such as "residual_cnn".
      seed: of split, initial weights and augmentation.
      force: whether to publish the version although the gate refuses it.
      request_id: the same id with the same order is the same job, however often it is sent. Where it is left out,
        each call makes one up, which keeps its own retries from starting a second job.
    """

    image_dir: str
    target_dir: str
    target_file: str
    data_dir: str
    npz_filename: str
    epochs: int
    architecture: str
    seed: int
    force: bool
    request_id: str


@dataclass(frozen=True, slots=True)
class Job:
    """A retraining job as it was at one moment.

    Attributes:
      operation: its name, "operations/…", by which every call knows it.
      done: whether it has ended; then it has either a response or an error.
      metadata: state, step, epoch, metrics, progress and times.
      response: what it came to; where the gate refused, `blessed` is False and `reasons` says why.
      error: why it failed, or that it was cancelled.
    """

    operation: str
    done: bool
    metadata: RetrainMetadata
    response: RetrainResponse | None = None
    error: ServiceError | None = None


def retrain_request(order: Order) -> RetrainRequest:
    """Makes the request for an order; it always has a request id, so it may be sent twice."""
    request = RetrainRequest(**order)
    request.request_id = request.request_id or uuid.uuid4().hex
    return request


def jobs_request(done: bool | None) -> Any:
    """Makes the request for the first page of all jobs, of those that have ended, or of those that have not."""
    return operations_pb2.ListOperationsRequest(filter="" if done is None else f"done={done}".lower())


def job_from(operation: Any) -> Job:
    """Reads a google.longrunning.Operation."""
    metadata, response = RetrainMetadata(), RetrainResponse()
    operation.metadata.Unpack(metadata)
    outcome = operation.WhichOneof("result")
    if outcome == "response":
        operation.response.Unpack(response)
    return Job(
        operation=operation.name,
        done=operation.done,
        metadata=metadata,
        response=response if outcome == "response" else None,
        error=from_status(operation.error) if outcome == "error" else None,
    )
