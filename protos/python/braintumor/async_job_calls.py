"""Retraining jobs, for asyncio: a part of `AsyncClient`. Each method is as its namesake of `JobCalls`."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import ExitStack
from typing import Unpack

from google.longrunning import operations_pb2

from braintumor.async_connection import AsyncConnection
from braintumor.errors import ServiceError
from braintumor.jobs import Job, Order, job_from, jobs_request, retrain_request
from braintumor.v1.trainer_service_pb2 import WatchRetrainRequest
from braintumor.watching import WATCH_TIMEOUT_S, WatchState


class AsyncJobCalls(AsyncConnection):
    """Starts, follows and ends retraining jobs. Every method raises ServiceError.

    Arguments that cannot be sent are a TypeError or a ValueError.
    """

    async def retrain(self, *, timeout_s: float | None = None, **order: Unpack[Order]) -> Job:
        """Starts a job and returns at once."""
        return job_from(await self._call(self._trainer.Retrain, retrain_request(order), timeout_s))

    async def watch(self, operation: str, *, timeout_s: float = WATCH_TIMEOUT_S) -> AsyncGenerator[Job, None]:
        """Yields a job as it is now, and whenever it has changed, until it has ended."""
        state = WatchState(timeout_s)
        while True:
            error = None
            request, metadata = WatchRetrainRequest(operation=operation), self._metadata()
            try:
                with self._errors(), ExitStack() as end:
                    stream = self._trainer.WatchRetrain(request, timeout=state.stream_s, metadata=metadata)
                    end.callback(stream.cancel)
                    async for report in stream:
                        if (job := state.received(report.operation)) is not None:
                            yield job
                        if report.operation.done:
                            return
            except ServiceError as err:
                if self._closed:
                    raise
                error = err
            await asyncio.sleep(state.pause_s(error))

    async def jobs(self, *, done: bool | None = None, timeout_s: float | None = None) -> list[Job]:
        """Lists jobs, newest first."""
        pages = self._pages(self._operations.ListOperations, jobs_request(done), timeout_s)
        return [job_from(operation) async for page in pages for operation in page.operations]

    async def job(self, operation: str, *, timeout_s: float | None = None) -> Job:
        """Returns a job as it is now."""
        request = operations_pb2.GetOperationRequest(name=operation)
        return job_from(await self._call(self._operations.GetOperation, request, timeout_s))

    async def cancel(self, operation: str, *, timeout_s: float | None = None) -> None:
        """Ends a job, and returns when it has ended."""
        request = operations_pb2.CancelOperationRequest(name=operation)
        await self._call(self._operations.CancelOperation, request, timeout_s)

    async def delete(self, operation: str, *, timeout_s: float | None = None) -> None:
        """Makes the service forget a job that has ended."""
        request = operations_pb2.DeleteOperationRequest(name=operation)
        await self._call(self._operations.DeleteOperation, request, timeout_s)
