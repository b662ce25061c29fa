"""`python -m trainer.jobs.process`: one task, in a process of the daemon's; they talk by `trainer.jobs.messages`."""

import logging
import os
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import IO

from trainer.errors import ChildError, OutOfMemoryError, TrainerError
from trainer.jobs.messages import REPORT, TASK, Report, Task
from trainer.jobs.operation import Failure, Progress
from trainer.jobs.run_directory import hold
from trainer.no_space import causes, told_of_files
from trainer.settings import TrainerSettings

_REPORT_INTERVAL_S = 0.2

_logger = logging.getLogger(__name__)


class Reporter:
    """Writes reports as lines of JSON."""

    def __init__(self, out: IO[bytes]) -> None:
        self._out = out
        self._last = Progress()
        self._last_s = -_REPORT_INTERVAL_S

    def progress(self, progress: Progress) -> None:
        """Reports a new step or epoch at once, and what is in between a few times a second."""
        is_news = (progress.step, progress.epoch) != (self._last.step, self._last.epoch)
        if is_news or time.monotonic() - self._last_s >= _REPORT_INTERVAL_S:
            self._last, self._last_s = progress, time.monotonic()
            self.report(Report(progress=progress))

    def report(self, report: Report) -> None:
        """Writes one line."""
        self._out.write(REPORT.dump_json(report, exclude_none=True) + b"\n")
        self._out.flush()


def main() -> int:
    """Does the task on stdin; returns the exit status."""
    settings = TrainerSettings()
    logging.basicConfig(level=settings.log_level, stream=sys.stderr)
    # Whatever a library prints goes to the log: on the real stdout are reports, and nothing else.
    reporter = Reporter(os.fdopen(os.dup(sys.stdout.fileno()), "wb"))
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    task = TASK.validate_json(sys.stdin.buffer.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _give_way(settings)
    try:
        reporter.report(_done(task, settings, reporter))
    except Exception as err:
        _logger.exception("task failed")
        reporter.report(Report(failure=Failure.of(_told(err))))
        return 1
    return 0


def _done(task: Task, settings: TrainerSettings, reporter: Reporter) -> Report:
    # Not above: these import what reads the variables that _give_way sets.
    from trainer.pipeline import Pipeline, evaluated

    if task.order is None:
        return Report(evaluation=evaluated(settings, task.version))
    run_dir = settings.runs_dir / task.operation_id
    with hold(run_dir):
        _keep_temporary_files_in(run_dir)
        pipeline = Pipeline(settings, task.operation_id, task.order, reporter.progress)
        return Report(outcome=pipeline.run())


def _keep_temporary_files_in(run_dir: Path) -> None:
    # TensorFlow removes its own when a process ends by itself, and a job may be ended; these go when the job goes.
    directory = run_dir / "tmp"
    directory.mkdir(exist_ok=True)
    tempfile.tempdir = os.environ["TMPDIR"] = str(directory)


def _end_with_parent() -> None:
    # The daemon holds the other end open and sends nothing more: what comes is its end. Not through sys.stdin, whose
    # lock Python wants when it ends.
    os.read(sys.stdin.fileno(), 1)
    os.killpg(os.getpgrp(), signal.SIGKILL)


def _give_way(settings: TrainerSettings) -> None:
    """Leaves processor and memory to those who answer callers."""
    for variable in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[variable] = str(settings.job_threads)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.nice(settings.job_niceness)
    # Linux shares the processor among sessions first, so niceness counts only within ours, unless it is said of
    # the session too; and where memory runs out, this process is to be the one that ends.
    for file, value in (("autogroup", settings.job_niceness), ("oom_score_adj", 500)):
        try:
            Path("/proc/self", file).write_text(str(value))
        except OSError as err:
            _logger.info("%s cannot be set: %s", file, err.strerror)


def _told(error: Exception) -> TrainerError:
    """Finds what callers may know about an error: never a path, and nothing of the inside."""
    told = told_of_files(error)
    for cause in causes(told):
        if isinstance(cause, MemoryError) or type(cause).__name__ == "ResourceExhaustedError":  # TensorFlow's
            return OutOfMemoryError("memory ran out; free some, or train with less data")
    if isinstance(told, TrainerError):
        return told
    if isinstance(error, OSError) and error.strerror:  # what libraries raise may have words alone
        return TrainerError(f"the data root cannot be read or written: {error.strerror}")
    return ChildError("the job failed inside; its log in the data root tells more", reason="INTERNAL")


if __name__ == "__main__":
    sys.exit(main())
