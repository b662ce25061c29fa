"""The audit log: a line of JSON for each verdict that a caller gets."""

import asyncio
import hashlib
import json
import logging
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from gateway import caller
from gateway.errors import AuditLogUnavailableError
from gateway.verdict import Verdict
from observability import request_id
from observability.journal import append

_NOT_GIVEN = "The verdict cannot be recorded, so it is not given; try again soon."

_logger = logging.getLogger(__name__)


class Audit(Protocol):
    """What takes note of verdicts."""

    async def note(self, image: bytes, version: int, verdict: Verdict) -> None:
        """Takes note of one, for the call that the running task works for."""


class NoAudit:
    """Takes no note."""

    async def note(self, image: bytes, version: int, verdict: Verdict) -> None:
        """Does nothing."""


@dataclass(frozen=True, slots=True)
class _Entry:
    image: bytes
    facts: dict[str, object]

    def line(self) -> bytes:
        digest = hashlib.sha256(self.image).hexdigest()
        return json.dumps(self.facts | {"image_sha256": digest}).encode() + b"\n"


class AuditLog:
    """Appends to a file, and lets a verdict go to its caller once its line is written: no record, no verdict.

    Several processes may append to one file, since each write holds a lock on it. A line survives the death of the
    process, not the loss of power: it is not forced to disk. A write that fails midway is taken back. A file that is
    renamed or removed is followed by a new one of the old name, so any rotation by rename will do. A caller who
    leaves before the write begins leaves no line; one who leaves during it does.

    Args:
      path: the file; its directory exists.
      model_name: as in answers.
      thread: where files are written and images are hashed; its one thread keeps the order.
    """

    def __init__(self, path: Path, model_name: str, thread: Executor) -> None:
        self._path = path
        self._model_name = model_name
        self._thread = thread
        self._waiting: dict[asyncio.Future[BaseException | None], _Entry] = {}
        self._writing: asyncio.Task[None] | None = None

    async def note(self, image: bytes, version: int, verdict: Verdict) -> None:
        """Writes a line: time (UTC), request id, caller, SHA-256 of the image, model, version and verdict.

        Raises:
          AuditLogUnavailableError: it cannot be written.
        """
        facts: dict[str, object] = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "request_id": request_id.current.get(),
            "caller": caller.current.get(),
            "model_name": self._model_name,
            "model_version": version,
            "class": verdict.label,
            "probability": verdict.probability,
            "reliability": verdict.reliability.name,
            "ood_score": verdict.ood_score,
        }
        written: asyncio.Future[BaseException | None] = asyncio.get_running_loop().create_future()
        self._waiting[written] = _Entry(image, facts)
        if self._writing is None:
            self._writing = asyncio.create_task(self._write_all())
        try:
            failure = await written
        finally:
            self._waiting.pop(written, None)  # its caller may have left
        if failure is not None:
            _log(failure)  # here, where the record has the call's request id
            raise AuditLogUnavailableError(_NOT_GIVEN) from failure

    async def _write_all(self) -> None:
        # What arrives during a write makes up the next one, so that the price of a write is shared under load.
        try:
            while self._waiting:
                entries, self._waiting = self._waiting, {}
                writing = asyncio.get_running_loop().run_in_executor(self._thread, self._write, [*entries.values()])
                await asyncio.wait([writing])
                for written in entries:
                    if not written.done():  # else its caller has left
                        written.set_result(writing.exception())
        finally:
            self._writing = None

    def _write(self, entries: list[_Entry]) -> None:
        append(self._path, b"".join(entry.line() for entry in entries))


def _log(failure: BaseException) -> None:
    if isinstance(failure, OSError):
        _logger.error("audit log cannot be written", extra={"problem": failure.strerror})
    else:
        _logger.error("audit log cannot be written", exc_info=failure)
