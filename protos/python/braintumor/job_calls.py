"""Retraining jobs, for threads: a part of `Client`."""

import time
from collections.abc import Generator
from contextlib import ExitStack
from typing import Unpack

from google.longrunning import operations_pb2

from braintumor.connection import Connection
from braintumor.errors import ServiceError
from braintumor.jobs import Job, Order, job_from, jobs_request, retrain_request
from braintumor.v1.trainer_service_pb2 import WatchRetrainRequest
from braintumor.watching import WATCH_TIMEOUT_S, WatchState


class JobCalls(Connection):
    """Starts, follows and ends retraining jobs. Every method raises ServiceError.

    Arguments that cannot be sent are a TypeError or a ValueError.
    """

    def retrain(self, *, timeout_s: float | None = None, **order: Unpack[Order]) -> Job:
        """Starts a job and returns at once; it goes on whatever becomes of the caller.

        Args:
          timeout_s: deadline of the call, retries included.
          **order: what to train, and on what; see `braintumor.jobs.Order`.
        """
        return job_from(self._call(self._trainer.Retrain, retrain_request(order), timeout_s))

    def watch(self, operation: str, *, timeout_s: float = WATCH_TIMEOUT_S) -> Generator[Job, None, None]:
        """Yields a job as it is now, and whenever it has changed, until it has ended.

        A stream that breaks is opened again: neither a trainer nor a gateway that starts anew ends the watching, and
        leaving the iterator does not end the job.

        Args:
          operation: name of the job.
          timeout_s: for how long the service may be away. One that hangs is given up between this and twice this
            after its last report; a job that is silent for longer is watched on.
        """
        state = WatchState(timeout_s)
        while True:
            error = None
            request, metadata = WatchRetrainRequest(operation=operation), self._metadata()
            try:
                with self._errors(), ExitStack() as end:
                    stream = self._trainer.WatchRetrain(request, timeout=state.stream_s, metadata=metadata)
                    end.callback(stream.cancel)
                    for report in stream:
                        if (job := state.received(report.operation)) is not None:
                            yield job
                        if report.operation.done:
                            return
            except ServiceError as err:
                if self._closed:
                    raise
                error = err
            time.sleep(state.pause_s(error))

    def jobs(self, *, done: bool | None = None, timeout_s: float | None = None) -> list[Job]:
        """Lists jobs, newest first.

        Args:
          done: whether to list those that have ended, or those that have not; None for both.
          timeout_s: deadline of each call that this takes.
        """
        pages = self._pages(self._operations.ListOperations, jobs_request(done), timeout_s)
        return [job_from(operation) for page in pages for operation in page.operations]

    def job(self, operation: str, *, timeout_s: float | None = None) -> Job:
        """Returns a job as it is now."""
        request = operations_pb2.GetOperationRequest(name=operation)
        return job_from(self._call(self._operations.GetOperation, request, timeout_s))

    def cancel(self, operation: str, *, timeout_s: float | None = None) -> None:
        """Ends a job, and returns when it has ended: cancelled, or otherwise where this came too late."""
        request = operations_pb2.CancelOperationRequest(name=operation)
        self._call(self._operations.CancelOperation, request, timeout_s)

    def delete(self, operation: str, *, timeout_s: float | None = None) -> None:
        """Makes the service forget a job that has ended. Its version stays."""
        request = operations_pb2.DeleteOperationRequest(name=operation)
        self._call(self._operations.DeleteOperation, request, timeout_s)
