"""The queue of jobs: one at a time, each to exactly one end."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from observability import request_id, tracing
from trainer.errors import DiskFullError, OutOfMemoryError, TrainerError
from trainer.jobs.latest import Latest
from trainer.jobs.operation import Failure, Operation, Order, Origin, Outcome, Progress, Result, State
from trainer.no_space import told_of_files
from trainer.operations import Operations
from trainer.telemetry.job import ObservedJob
from transport.news import News

_NOTE_INTERVAL_S = 0.2
_RETRY_S = 1.0

_logger = logging.getLogger(__name__)


class Work(Protocol):
    """What a job consists of. See trainer.jobs.retraining."""

    async def do(self, operation: Operation, note: Callable[[Progress], None]) -> Outcome:
        """Does a job, or what is left of it; raises TrainerError where it fails."""

    async def undo(self, operation: Operation) -> bool:
        """Takes back what a job that was broken off has done; False where it is too late for that."""

    async def clear(self, operation: Operation, *, completely: bool) -> None:
        """Removes what the job leaves."""


class Jobs:
    """Works on operations in their order.

    An operation is changed by this class alone. First its work is done, then its end is written, then its files are
    cleared: a job that a kill interrupts goes on at the next start with all its records. That has a limit: a job that
    brings the trainer down for want of memory would do so each time, and keep all others waiting.
    """

    def __init__(self, operations: Operations, work: Work, max_queued: int, max_attempts: int) -> None:
        self._operations = operations
        self._work = work
        self._capacity = max_queued + 1
        self._max_attempts = max_attempts
        self._current: tuple[str, asyncio.Task[Outcome]] | None = None
        self._unwanted: set[str] = set()

    async def submit(self, order: Order, order_id: str) -> Operation:
        """Queues a job; see Operations.add."""
        trace = tracing.current.get()
        origin = Origin(request_id=request_id.current.get(), traceparent=trace.traceparent if trace else "")
        return await self._operations.add(order, order_id, self._capacity, origin)

    async def cancel(self, operation_id: str) -> None:
        """Ends a job. Returns when it has ended, in whatever way: it may have been too late.

        Raises:
          OperationNotFoundError: there is none.
        """
        if await self._operations.end(operation_id, State.CANCELLED, expected=(State.QUEUED,)):
            return
        self._unwanted.add(operation_id)
        if self._current is not None and self._current[0] == operation_id:
            self._current[1].cancel()
        await self._operations.ended(operation_id)
        self._unwanted.discard(operation_id)

    async def delete(self, operation_id: str) -> None:
        """Forgets a job that has ended, with its log.

        Raises:
          OperationNotFoundError: there is none.
          OperationUnfinishedError: it has not ended.
        """
        operation = await self._operations.get(operation_id)
        await self._operations.remove(operation_id)
        await self._work.clear(operation, completely=True)

    async def run(self) -> None:
        """Works until it is cancelled. The job that is broken off by that goes on at the next start."""
        news = News()
        while True:
            try:
                await self.step()
            except Exception as err:
                if news.is_news(repr(err)):
                    _logger.warning("jobs have to wait", exc_info=err)
                await asyncio.sleep(_RETRY_S)
            else:
                news.is_news("")

    async def step(self) -> None:
        """Does the next job, or waits until there may be one."""
        changed = self._operations.changed
        operation = await self._operations.next_unfinished()
        if operation is None:
            await changed.wait()
            return
        try:
            if await self._operations.begin(operation.operation_id):
                await self._do(operation)
        finally:  # which is where nobody comes who is killed
            with contextlib.suppress(TrainerError):
                await self._operations.leave(operation.operation_id)

    async def _do(self, operation: Operation) -> None:
        observed = ObservedJob(operation)
        # What is logged and recorded of it belongs to the call that it comes from.
        request_id.current.set(operation.origin.request_id)
        tracing.current.set(observed.trace)
        _logger.info("job begins", extra={"operation": operation.operation_id})
        latest = Latest(operation.progress)

        def note(progress: Progress) -> None:
            observed.progress(progress)
            latest.put(progress)

        work = asyncio.create_task(self._attempt(operation, note))
        noting = asyncio.create_task(self._keep_noting(operation, latest))
        self._current = (operation.operation_id, work)
        if operation.operation_id in self._unwanted:
            work.cancel()
        try:
            await asyncio.wait([work])
        except asyncio.CancelledError:
            observed.leave()
            raise
        finally:
            self._current = None
            work.cancel()
            noting.cancel()
            await asyncio.wait([work, noting])
        if work.cancelled():
            await self._end_cancelled(operation, observed)
        else:
            await self._end(operation, work, latest.value, observed)
        self._unwanted.discard(operation.operation_id)

    async def _attempt(self, operation: Operation, note: Callable[[Progress], None]) -> Outcome:
        if operation.attempts >= self._max_attempts:
            raise OutOfMemoryError(
                f"the trainer died {operation.attempts} times in a row in this job, which got no further; "
                "it may need more memory than there is"
            )
        return await self._work.do(operation, note)

    async def _keep_noting(self, operation: Operation, latest: Latest[Progress]) -> None:
        while True:
            progress = await latest.get()
            try:
                await self._operations.note(operation.operation_id, progress)
            except TrainerError as err:  # the job is worth more than its progress
                _logger.warning("progress is not noted", extra={"problem": str(err)})
            await asyncio.sleep(_NOTE_INTERVAL_S)

    async def _end_cancelled(self, operation: Operation, observed: ObservedJob) -> None:
        if await self._work.undo(operation):
            await self._write_end(operation, State.CANCELLED, None, None)
            observed.end(State.CANCELLED, None)
            await self._work.clear(operation, completely=True)
        else:
            observed.leave()  # It has taken effect, and its next turn finds that out.

    async def _end(
        self, operation: Operation, work: asyncio.Task[Outcome], progress: Progress, observed: ObservedJob
    ) -> None:
        error = work.exception()
        if error is None:
            await self._write_end(operation, State.SUCCEEDED, work.result(), replace(progress, fraction=1.0))
            observed.end(State.SUCCEEDED, work.result())
        else:
            failure = _failure(error)
            await self._write_end(operation, State.FAILED, failure, progress)
            observed.end(State.FAILED, failure)
        await self._work.clear(operation, completely=False)

    async def _write_end(self, operation: Operation, state: State, result: Result, progress: Progress | None) -> None:
        news = News()
        with contextlib.ExitStack() as held_up:
            while True:
                try:
                    await self._operations.end(operation.operation_id, state, result=result, progress=progress)
                except TrainerError as err:
                    if news.is_news(str(err)):
                        _logger.warning("the end of a job has to wait", extra={"problem": str(err)})
                        held_up.enter_context(self._operations.holding_up(operation.operation_id, str(err)))
                    if isinstance(err, DiskFullError) and state is not State.SUCCEEDED:
                        await self._work.clear(operation, completely=False)  # which makes room
                    await asyncio.sleep(_RETRY_S)
                else:
                    break
        reason = result.reason if isinstance(result, Failure) else None
        _logger.info("job ended", extra={"operation": operation.operation_id, "state": state, "reason": reason})


def _failure(error: BaseException) -> Failure:
    told = told_of_files(error)
    if not isinstance(error, TrainerError):
        _logger.error("job failed inside", exc_info=error)
    if not isinstance(told, TrainerError):
        return Failure(status_code="INTERNAL", reason="INTERNAL", message="the job failed inside; the log tells more")
    return Failure.of(told)
