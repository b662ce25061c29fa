"""A progress bar on stderr for one retraining job."""

import threading
from typing import Self

from braintumor.cli.job_text import progress_text
from braintumor.cli.status_line import StatusLine
from braintumor.cli.time_left import TimeLeft
from braintumor.jobs import Job

_TICK_S = 1.0
_MOST_BAR_COLUMNS, _LEAST_BAR_COLUMNS = 30, 5


class TrainingBar:
    """Shows how far a job is: step, epoch, metrics and the time left, which counts down between reports.

    Where stderr is no terminal, it says so in a line of its own at each change.
    """

    def __init__(self) -> None:
        self._status_line = StatusLine()
        self._time_left = TimeLeft()
        self._progress, self._text = 0.0, ""
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._ticking = threading.Thread(target=self._tick, daemon=True)

    def show(self, job: Job) -> None:
        """Takes in a report."""
        text = progress_text(job)
        with self._lock:
            self._time_left.update(job.metadata.step, job.metadata.progress)
            if text != self._text and not self._status_line.live:
                self._status_line.echo(text, err=True)
            self._progress, self._text = job.metadata.progress, text
            self._status_line.draw(self._line())

    def echo(self, line: str) -> None:
        """Prints a line on stdout."""
        with self._lock:
            self._status_line.echo(line)
            self._status_line.draw(self._line())

    def __enter__(self) -> Self:
        if self._status_line.live:
            self._ticking.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Leaves the last state on a line of its own."""
        self._ended.set()
        if self._status_line.live:
            self._ticking.join()
            self._status_line.echo(self._line(), err=True)

    def _tick(self) -> None:
        while not self._ended.wait(_TICK_S):
            with self._lock:
                self._status_line.draw(self._line())

    def _line(self) -> str:
        text = f"{self._text}{_ahead(self._time_left.seconds)}"
        columns = min(self._status_line.columns - len(text) - len("[] "), _MOST_BAR_COLUMNS)
        if columns < _LEAST_BAR_COLUMNS:
            return text
        return f"[{'#' * int(columns * self._progress):-<{columns}}] {text}"


def _ahead(seconds: float | None) -> str:
    if not seconds:
        return ""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f" {hours}:{minutes:02}:{rest:02} left" if hours else f" {minutes}:{rest:02} left"
