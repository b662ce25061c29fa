"""Running of a job's process, from the daemon's side."""

import asyncio
import contextlib
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable
from typing import IO

import grpc

from trainer.errors import ChildError, DiskFullError, OutOfMemoryError
from trainer.jobs.messages import REPORT, TASK, Report, Task
from trainer.jobs.operation import Failure, Progress

_LONGEST_LINE_BYTES = 2**20


async def run_child(task: Task, log: IO[bytes] | None, note: Callable[[Progress], None]) -> Report:
    """Does a task in a fresh interpreter.

    Whatever ends this call also ends the process and all that it started, at once: every step of a job is made to
    survive that, so nothing gentler is needed. Nor does its last report wait for its end, which takes a process of
    low priority seconds on a busy machine. The process ends by itself when this one is killed.

    Args:
      task: what to do.
      log: gets the process's stderr; None lets it through to the daemon's.
      note: called with each progress.

    Returns:
      The last report, with an outcome or an evaluation.

    Raises:
      ChildError: the process failed and said why, or crashed.
      OutOfMemoryError, DiskFullError: the process was killed by a signal that tells of it.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "trainer.jobs.process", stdin=PIPE, stdout=PIPE, stderr=log, start_new_session=True,
        limit=_LONGEST_LINE_BYTES,
    )  # fmt: skip
    try:
        last = await _converse(process, task, note)
    finally:
        await _end(process)
    if last.failure is not None:
        raise _raised(last.failure)
    return last


async def _converse(process: Process, task: Task, note: Callable[[Progress], None]) -> Report:
    if process.stdin is None or process.stdout is None:
        raise AssertionError("pipes were asked for")
    process.stdin.write(TASK.dump_json(task) + b"\n")
    async for line in process.stdout:
        report = REPORT.validate_json(line)
        if report.progress is None:
            return report
        note(report.progress)
    raise _crash(await process.wait())


async def _end(process: Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)  # also what it started, should it have died before that
    if process.stdin is not None:
        process.stdin.close()
    await _gone(process)


async def _gone(process: Process) -> None:
    """Returns when a process that was killed has ended, whoever cancels the wait for it.

    Two callers may cancel one job, and a drain cancels an evaluation twice: after its grace period, and with the loop.
    """
    cancelled = None
    while process.returncode is None:
        try:
            await process.wait()
        except asyncio.CancelledError as err:
            cancelled = err
    if cancelled is not None:
        raise cancelled


def _raised(failure: Failure) -> ChildError:
    return ChildError(failure.message, grpc.StatusCode[failure.status_code], failure.reason, failure.retry_after_s)


def _crash(status: int) -> ChildError | OutOfMemoryError | DiskFullError:
    if status == -signal.SIGKILL:
        return OutOfMemoryError(
            "its process was killed, most likely because memory ran out; free some, or take less data"
        )
    if status == -signal.SIGBUS:
        return DiskFullError("its process could not write to disk, most likely because it is full; free some")
    return ChildError(f"its process crashed with status {status}; the log tells more")
