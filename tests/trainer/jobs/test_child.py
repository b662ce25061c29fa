"""A task runs in a process of its own, and its end is told for what it was."""

import asyncio
import errno
import io
import os
import resource
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
import tensorflow as tf

from trainer.errors import (
    ChildError,
    DiskFullError,
    OutOfMemoryError,
    PublicationError,
    SourceError,
    TrainerError,
)
from trainer.jobs.child import run_child
from trainer.jobs.messages import REPORT, Report, Task
from trainer.jobs.operation import Failure, Progress, Step
from trainer.jobs.process import Reporter, _told
from trainer.status import to_status
from transport.status import reason_of

Until = Callable[[Callable[[], Any]], Awaitable[Any]]


@pytest.fixture(autouse=True)
def _data_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATA_ROOT", str(tmp_path))


def _children() -> list[psutil.Process]:
    return psutil.Process().children(recursive=True)


def _gives_way(child: psutil.Process) -> bool:
    return bool(child.nice() == min(19, psutil.Process().nice() + 10))


async def test_what_the_process_says_is_what_is_raised(tmp_path: Path) -> None:
    with (
        pytest.raises(ChildError, match=r"test_data\.npz does not exist") as raised,
        (tmp_path / "log").open("wb") as log,
    ):
        await run_child(Task(version=1), log, lambda _: None)

    assert (raised.value.reason, raised.value.status_code.name) == ("NPZ_INVALID", "FAILED_PRECONDITION")
    assert "Traceback" in (tmp_path / "log").read_text()
    assert _children() == []


async def test_the_last_report_does_not_wait_for_the_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process of low priority takes its time to end on a busy machine; this one would never do so."""
    failure = Failure(status_code="UNAVAILABLE", reason="AWAY", message="told", retry_after_s=2.0)
    report = REPORT.dump_json(Report(failure=failure))
    interpreter = tmp_path / "python"
    interpreter.write_text(f"#!/bin/sh\necho '{report.decode()}'\nexec sleep 600\n")
    interpreter.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(interpreter))

    with pytest.raises(ChildError, match="told") as raised:
        await asyncio.wait_for(run_child(Task(version=1), None, lambda _: None), 30)

    assert Failure.of(raised.value) == failure
    assert _children() == []


@pytest.mark.parametrize(
    ("number", "error"),
    [
        (signal.SIGKILL, OutOfMemoryError),
        (signal.SIGBUS, DiskFullError),
        (signal.SIGABRT, ChildError),
    ],
)
async def test_a_killed_process_is_told(until: Until, number: signal.Signals, error: type[TrainerError]) -> None:
    task = asyncio.create_task(run_child(Task(version=1), None, lambda _: None))
    (child,) = await until(_children)
    child.send_signal(number)

    with pytest.raises(error):
        await task


async def test_a_process_for_which_no_file_can_be_opened_is_told_as_such() -> None:
    before, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, most))
    try:
        with pytest.raises(OSError, match="Too many open files") as raised:
            await run_child(Task(version=1), None, lambda _: None)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (before, most))

    assert reason_of(to_status(raised.value)) == "SYSTEM_LIMIT"


async def test_a_cancelled_task_ends_its_process(until: Until) -> None:
    task = asyncio.create_task(run_child(Task(version=1), None, lambda _: None))
    (child,) = await until(_children)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert not child.is_running()


async def test_a_task_that_is_cancelled_again_ends_its_process_too(until: Until) -> None:
    task = asyncio.create_task(run_child(Task(version=1), None, lambda _: None))
    (child,) = await until(_children)
    await until(lambda: _gives_way(child))  # so it knows its task; before that it is asyncio's
    for _ in range(3):
        task.cancel()
        await asyncio.sleep(0)
    with pytest.raises(asyncio.CancelledError):
        await task

    assert not child.is_running()


async def test_it_gives_way_to_others(until: Until) -> None:
    task = asyncio.create_task(run_child(Task(version=1), None, lambda _: None))
    (child,) = await until(_children)
    await until(lambda: _gives_way(child))
    await until(lambda: Path(f"/proc/{child.pid}/oom_score_adj").read_text() == "500\n")
    task.cancel()
    await asyncio.wait([task])


def test_a_step_and_an_epoch_are_told_at_once_and_what_is_in_between_now_and_then(
    clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trainer.jobs.process.time", SimpleNamespace(monotonic=clock))
    pipe = io.BytesIO()
    reporter = Reporter(io.BufferedWriter(pipe))  # type: ignore[arg-type]  # a raw stream in memory
    for step, epoch, after_s, fraction in (
        (Step.TRAIN, 0, 0.0, 0.1),
        (Step.TRAIN, 0, 0.1, 0.2),
        (Step.TRAIN, 0, 0.2, 0.3),
        (Step.TRAIN, 1, 0.0, 0.4),
        (Step.CALIBRATE, 1, 0.0, 0.5),
    ):
        clock.now_s += after_s
        reporter.progress(Progress(step=step, epoch=epoch, fraction=fraction))

    told = [REPORT.validate_json(line).progress for line in pipe.getvalue().splitlines()]
    assert [progress.fraction for progress in told if progress] == [0.1, 0.3, 0.4, 0.5]


def _raised(error: Exception, cause: Exception | None = None) -> Exception:
    error.__cause__ = cause
    return error


def _in_a_circle() -> Exception:
    error = _raised(RuntimeError("/secret"), RuntimeError())
    _raised(error.__cause__, error)
    return error


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (_raised(OSError(errno.ENOSPC, "No space left on device", "/secret")), "DISK_FULL"),
        (_raised(PublicationError("no"), OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))), "DISK_FULL"),
        (_raised(MemoryError()), "OUT_OF_MEMORY"),
        (_raised(ValueError("/secret"), tf.errors.ResourceExhaustedError(None, None, "OOM")), "OUT_OF_MEMORY"),
        (_raised(SourceError("images are gone")), "IMAGE_SOURCE_INVALID"),
        (_raised(OSError(errno.EACCES, "Permission denied", "/secret")), "TRAINER_ERROR"),
        (_raised(OSError("/secret")), "INTERNAL"),
        (_raised(RuntimeError("/secret")), "INTERNAL"),
        (_in_a_circle(), "INTERNAL"),
    ],
)
def test_callers_learn_the_reason_and_nothing_of_the_inside(error: Exception, reason: str) -> None:
    told = _told(error)

    assert told.reason == reason
    assert "secret" not in str(told)
