"""A progress bar on stderr for many images."""

import time
from typing import Self

import click

from braintumor.cli.status_line import StatusLine

_REDRAW_S = 0.1
_BAR_COLUMNS = 30


class ProgressBar:
    """Shows how many of the images are done.

    Where stderr is no terminal, it says so once, at the end.

    Args:
      total: images in all.
      shown: False for a bar that is never seen.
    """

    def __init__(self, total: int, *, shown: bool = True) -> None:
        self._total = total
        self._shown = shown
        self._status_line = StatusLine(shown=shown)
        self._done = 0
        self._begin_s = time.monotonic()
        self._drawn_s = 0.0

    def advance(self) -> None:
        """Counts one more image."""
        self._done += 1
        now_s = time.monotonic()
        if self._status_line.shares_terminal or now_s - self._drawn_s >= _REDRAW_S:
            self._drawn_s = now_s
            self._status_line.draw(self._line())

    def echo(self, line: str, *, err: bool = False) -> None:
        """Prints a line above the bar."""
        self._status_line.echo(line, err=err)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Leaves the final state on a line of its own."""
        self._status_line.draw("")
        if self._shown and self._done:
            click.echo(self._line(), err=True)

    def _line(self) -> str:
        elapsed_s = max(time.monotonic() - self._begin_s, 1e-9)
        filled = min(_BAR_COLUMNS, _BAR_COLUMNS * self._done // max(self._total, 1))
        bar = "#" * filled + "-" * (_BAR_COLUMNS - filled)
        left_s = max(self._total - self._done, 0) * elapsed_s / max(self._done, 1)
        ahead = f"{left_s:.0f} s left" if left_s else f"{elapsed_s:.1f} s"
        return f"[{bar}] {self._done}/{self._total} images, {self._done / elapsed_s:.0f}/s, {ahead}"
