"""A line on stderr that is drawn again and again, and shares the terminal with what is printed."""

import shutil
import sys

import click


class StatusLine:
    """Draws only where stderr is a terminal.

    Args:
      shown: False for a line that is never seen.
    """

    def __init__(self, *, shown: bool = True) -> None:
        self.live = shown and sys.stderr.isatty()
        self.shares_terminal = self.live and sys.stdout.isatty()

    @property
    def columns(self) -> int:
        """How many characters it has room for."""
        return max(shutil.get_terminal_size().columns - 1, 1)

    def draw(self, line: str) -> None:
        """Puts a line in the place of the last one; what has no room is cut off."""
        if self.live:
            click.echo(f"\r{line[: self.columns]:<{self.columns}}\r", err=True, nl=False)

    def echo(self, line: str, *, err: bool = False) -> None:
        """Prints a line that stays; the status line is gone until it is drawn again."""
        if self.shares_terminal or err:
            self.draw("")
        click.echo(line, err=err)
