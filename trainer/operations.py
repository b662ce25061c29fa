"""Operations, and whoever follows them."""

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import ParamSpec, TypeVar

from trainer.errors import DiskFullError, StoppingError, StoreError
from trainer.jobs.operation import UNFINISHED_STATES, UNKNOWN_ORIGIN, Operation, Order, Origin, Progress, Result, State
from trainer.jobs.operation_store import OperationStore

_Given = ParamSpec("_Given")
_Answer = TypeVar("_Answer")

_LAST_PLACE = 2**63 - 1
"""SQLite counts no further."""


class Operations:
    """The operations of a data root.

    A change is on disk when its call returns. States change by compare-and-set: of two changes that exclude each
    other, one returns False. Every method raises StoreError where the database is locked or broken, DiskFullError
    where the disk is full; nothing has changed then.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._changed = asyncio.Event()
        self._is_stopping = False
        self._held_up: dict[str, str] = {}
        self._thread = ThreadPoolExecutor(1, "operations")  # SQLite blocks, and has one writer at a time anyway

    async def open(self) -> None:
        """Opens the database, and makes it where there is none."""
        self._store = await self._run(OperationStore, self._path)

    async def close(self) -> None:
        """Closes the database."""
        await self._run(self._store.close)
        self._thread.shutdown()

    def stop_following(self) -> None:
        """Ends all `follow`, now and later, with StoppingError."""
        self._is_stopping = True
        self._tell()

    @property
    def changed(self) -> asyncio.Event:
        """Set at the next change of any operation. Take it, then read, then wait: so no change is missed."""
        return self._changed

    async def add(self, order: Order, request_id: str, capacity: int, origin: Origin = UNKNOWN_ORIGIN) -> Operation:
        """Adds a queued operation, unless there is one of this request id.

        Args:
          order: what is asked for.
          request_id: chosen by the caller; empty for none.
          capacity: operations that may be unfinished at a time.
          origin: the call that asks for it.

        Returns:
          The operation, or the one that the request id belongs to.

        Raises:
          RequestIdReusedError: the request id belongs to another order.
          QueueFullError: the capacity is used up.
        """
        return await self._run(self._telling(self._store.add), order, request_id, capacity, origin)

    async def of_request(self, order: Order, request_id: str) -> Operation | None:
        """Returns the operation of a request id; raises RequestIdReusedError where it belongs to another order."""
        return await self._run(self._store.of_request, order, request_id)

    async def get(self, operation_id: str) -> Operation:
        """Returns an operation; raises OperationNotFoundError."""
        return await self._run(self._store.get, operation_id)

    async def newest(
        self, done: bool | None = None, first: int = _LAST_PLACE, count: int = -1
    ) -> list[tuple[int, Operation]]:
        """Returns operations with their place in the sequence of all, newest first.

        Args:
          done: whether to return those that have ended, or those that have not; None for both.
          first: the newest place of them.
          count: how many at most; -1 for all.
        """
        return await self._run(self._store.newest, done, first, count)

    async def next_unfinished(self) -> Operation | None:
        """Returns the operation to work on: the one that was interrupted, or else the one that waits longest."""
        return await self._run(self._store.next_unfinished)

    async def begin(self, operation_id: str) -> bool:
        """Makes an operation a running one, and counts the attempt; False where it has ended."""

        def begun(operation: Operation) -> Operation:
            started_s = operation.started_s or time.time()
            return replace(operation, state=State.RUNNING, started_s=started_s, attempts=operation.attempts + 1)

        return await self._change(operation_id, UNFINISHED_STATES, begun)

    async def note(self, operation_id: str, progress: Progress) -> bool:
        """Notes how far a running operation is; False where it is not running."""

        def noted(operation: Operation) -> Operation:
            attempts = 0 if progress.fraction > operation.progress.fraction else operation.attempts
            return replace(operation, progress=progress, attempts=attempts)

        return await self._change(operation_id, (State.RUNNING,), noted)

    async def leave(self, operation_id: str) -> bool:
        """Leaves a running operation to a later `begin`, in good order; False where it is not running."""
        return await self._change(operation_id, (State.RUNNING,), lambda operation: replace(operation, attempts=0))

    async def end(
        self,
        operation_id: str,
        state: State,
        *,
        result: Result = None,
        progress: Progress | None = None,
        expected: tuple[State, ...] = UNFINISHED_STATES,
    ) -> bool:
        """Ends an operation that is in an expected state; False where it is in another.

        Args:
          operation_id: of the operation.
          state: its end.
          result: what it came to.
          progress: the last; None leaves what was noted.
          expected: states that it may be in.
        """

        def ended(operation: Operation) -> Operation:
            last = progress or operation.progress
            return replace(operation, state=state, result=result, ended_s=time.time(), progress=last)

        return await self._change(operation_id, expected, ended)

    @contextmanager
    def holding_up(self, operation_id: str, problem: str) -> Iterator[None]:
        """Has `follow` say, while the block lasts, that an operation has ended and why its end is not written yet."""
        self._held_up[operation_id] = problem
        self._tell()
        try:
            yield
        finally:
            self._held_up.pop(operation_id, None)

    async def remove(self, operation_id: str) -> None:
        """Forgets an operation that has ended.

        Raises:
          OperationNotFoundError: there is none.
          OperationUnfinishedError: it has not ended.
        """
        await self._run(self._store.remove, operation_id)

    async def follow(self, operation_id: str) -> AsyncIterator[Operation]:
        """Yields an operation as it is now, and as it is after changes, until it has ended.

        Who takes long to come back misses what was in between.

        Raises:
          OperationNotFoundError: there is none.
          StoppingError: the trainer is about to end.
          StoreError: also while its end cannot be written.
        """
        last = None
        while last is None or not last.state.is_final:
            changed = self._changed
            operation = await self.get(operation_id)
            if not operation.state.is_final and (problem := self._held_up.get(operation_id)):
                raise StoreError(f"the job has ended, and its end cannot be written yet: {problem}")
            if operation != last:
                yield operation
                last = operation
            elif self._is_stopping:
                raise StoppingError("the trainer stops; the job goes on when it is back")
            else:
                await changed.wait()

    async def ended(self, operation_id: str) -> Operation:
        """Returns an operation once it has ended; raises as `follow` does."""
        async for operation in self.follow(operation_id):
            last = operation
        return last

    async def _change(
        self, operation_id: str, expected: tuple[State, ...], change: Callable[[Operation], Operation]
    ) -> bool:
        return await self._run(self._telling(self._store.change), operation_id, expected, change)

    def _telling(self, work: Callable[_Given, _Answer]) -> Callable[_Given, _Answer]:
        """Makes a change wake whoever waits for one, even if its own caller has gone meanwhile."""
        loop = asyncio.get_running_loop()

        def telling(*args: _Given.args, **kwargs: _Given.kwargs) -> _Answer:
            answer = work(*args, **kwargs)
            loop.call_soon_threadsafe(self._tell)
            return answer

        return telling

    def _tell(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def _run(self, work: Callable[_Given, _Answer], *args: _Given.args, **kwargs: _Given.kwargs) -> _Answer:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, lambda: work(*args, **kwargs))
        except sqlite3.DatabaseError as err:
            code = getattr(err, "sqlite_errorcode", 0)
            # The latter is how a database that is opened on a full disk finds no room for its index.
            if code & 0xFF == sqlite3.SQLITE_FULL or code == sqlite3.SQLITE_IOERR_SHMSIZE:
                raise DiskFullError("no space is left for the trainer's operations; free some") from err
            # The last is what our statements come to where the tables are another program's.
            if code & 0xFF in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR}:
                raise StoreError(
                    f"{self._path.name} is damaged, or another program's: {err}; stop the trainer and put a copy of it "
                    f"back, or remove {self._path.name}* and runs/ to forget all jobs"
                ) from err
            raise StoreError(f"the trainer's operations cannot be read or written now: {err}") from err
