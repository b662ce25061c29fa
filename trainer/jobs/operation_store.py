"""Operations in SQLite. Blocking; `trainer.operations` is the way in."""

import logging
import os
import sqlite3
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from trainer.errors import OperationNotFoundError, OperationUnfinishedError, QueueFullError, RequestIdReusedError
from trainer.jobs.operation import UNKNOWN_ORIGIN, Operation, Order, Origin, State

_SCHEMA = """
CREATE TABLE IF NOT EXISTS operations (
  sequence INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  request_id TEXT UNIQUE,
  state TEXT NOT NULL,
  content TEXT NOT NULL
)
"""
_INSERT = "INSERT INTO operations (id, request_id, state, content) VALUES (?, ?, ?, ?)"
_COUNT_UNFINISHED = "SELECT count(*) FROM operations WHERE state IN ('queued', 'running')"
_NEXT_UNFINISHED = """
SELECT sequence, content FROM operations WHERE state IN ('queued', 'running')
ORDER BY state = 'queued', sequence LIMIT 1
"""
_NEWEST = """
SELECT sequence, content FROM operations
WHERE sequence <= ?1 AND (?2 IS NULL OR ?2 = (state NOT IN ('queued', 'running')))
ORDER BY sequence DESC LIMIT ?3
"""
_BUSY_TIMEOUT_S = 3.0
_LOGGED_CHARS = 80

_CONTENT = TypeAdapter(Operation)

_logger = logging.getLogger(__name__)


class OperationStore:
    """The operations of a data root, for one thread. Each method is a transaction, on disk when it returns.

    Every method may raise sqlite3.DatabaseError, and has then changed nothing.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._database = sqlite3.connect(path, timeout=_BUSY_TIMEOUT_S)
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = FULL")
        self._database.execute(_SCHEMA)
        self._path, self._file = path, path.stat()

    def close(self) -> None:
        """Closes the database."""
        self._database.close()

    def add(self, order: Order, request_id: str, capacity: int, origin: Origin = UNKNOWN_ORIGIN) -> Operation:
        """See Operations."""
        with self._transaction():
            if present := self.of_request(order, request_id):
                return present
            (unfinished,) = self._database.execute(_COUNT_UNFINISHED).fetchone()
            if unfinished >= capacity:
                raise QueueFullError(f"{unfinished - 1} jobs wait, and no more may; try again when one has ended")
            operation = Operation(
                operation_id=uuid.uuid4().hex, order=order, state=State.QUEUED, created_s=time.time(), origin=origin
            )
            values = (operation.operation_id, request_id or None, operation.state, _dumped(operation))
            self._database.execute(_INSERT, values)
        return operation

    def of_request(self, order: Order, request_id: str) -> Operation | None:
        """See Operations."""
        row = self._row("SELECT sequence, content FROM operations WHERE request_id = ?", request_id)
        if row is None:
            return None
        operation = _loaded(*row)
        if operation.order != order:
            raise RequestIdReusedError("request_id belongs to a job with other fields; choose another one")
        return operation

    def get(self, operation_id: str) -> Operation:
        """See Operations."""
        row = self._row("SELECT sequence, content FROM operations WHERE id = ?", operation_id)
        if row is None:
            raise OperationNotFoundError(
                f"operation {operation_id[:64]} does not exist; the list of jobs tells which do"
            )
        return _loaded(*row)

    def newest(self, done: bool | None, first: int, count: int) -> list[tuple[int, Operation]]:
        """See Operations."""
        rows = self._database.execute(_NEWEST, (first, done, count)).fetchall()
        return [(sequence, _loaded(sequence, content)) for sequence, content in rows]

    def next_unfinished(self) -> Operation | None:
        """See Operations."""
        row = self._row(_NEXT_UNFINISHED)
        return None if row is None else _loaded(*row)

    def change(self, operation_id: str, expected: tuple[State, ...], change: Callable[[Operation], Operation]) -> bool:
        """Changes an operation if its state is as expected, and tells whether it was."""
        with self._transaction():
            operation = self.get(operation_id)
            if operation.state not in expected:
                return False
            changed = _in_order(change(operation))
            values = (changed.state, _dumped(changed), operation_id)
            self._database.execute("UPDATE operations SET state = ?, content = ? WHERE id = ?", values)
        return True

    def remove(self, operation_id: str) -> None:
        """See Operations."""
        with self._transaction():
            if not self.get(operation_id).state.is_final:
                raise OperationUnfinishedError("the operation has not ended; cancel it first")
            self._database.execute("DELETE FROM operations WHERE id = ?", (operation_id,))

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._database:
            self._database.execute("BEGIN IMMEDIATE")  # what is read here stays so until it is written
            if not self._is_in_place():
                raise sqlite3.OperationalError(
                    f"{self._path.name} was removed or replaced; put it back, or restart the trainer"
                )
            yield

    def _is_in_place(self) -> bool:
        # SQLite goes on writing to a file that has no name any more, and to the log beside it.
        try:
            return os.path.samestat(self._path.stat(), self._file)
        except FileNotFoundError:
            return False

    def _row(self, statement: str, *values: Any) -> Any:
        return self._database.execute(statement, values).fetchone()


def _in_order(operation: Operation) -> Operation:
    """Returns an operation whose times follow each other, also where the clock was put back between them."""
    times, latest = {}, operation.created_s
    for name in ("started_s", "ended_s"):
        if (moment := getattr(operation, name)) is not None:
            times[name] = latest = max(latest, moment)
    return replace(operation, **times)


def _dumped(operation: Operation) -> str:
    return _CONTENT.dump_json(operation).decode()


def _loaded(sequence: int, content: str) -> Operation:
    try:
        return _CONTENT.validate_json(content)
    except ValidationError as err:
        remedy = f"restore a copy of the database, or run in it: DELETE FROM operations WHERE sequence = {sequence}"  # noqa: S608  for people
        _logger.error("an operation is damaged", extra={"content": content[:_LOGGED_CHARS], "remedy": remedy})
        raise sqlite3.DatabaseError(
            "the content of an operation is damaged, or of a newer trainer; the log has it, and the remedy"
        ) from err
