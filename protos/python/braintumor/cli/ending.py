"""How a command ends otherwise than well: what it says on stderr, and its exit status."""

import os
import sys

import click

INTERRUPTED_STATUS = 130
"""Exit status after Ctrl-C; what shells make of that signal."""


def run(command: click.Command) -> int:
    """Runs a command as the process's own.

    Returns:
      The exit status; whatever made it so is told on stderr, in a line.
    """
    _open_closed_streams()
    try:
        return int(command.main(standalone_mode=False) or 0)
    except click.ClickException as err:
        failure = err
    except click.Abort:
        return INTERRUPTED_STATUS
    except UnicodeEncodeError as err:
        failure = click.UsageError(f"{err.object[err.start : err.end]!r} is no text in {err.encoding}")
    except OSError as err:
        failure = click.ClickException(str(err))
        _give_up_stdout()
    failure.show()
    return failure.exit_code


def _open_closed_streams() -> None:
    """Stands in for streams that the caller has closed: stdin and stdout fail, and stderr takes everything."""
    if sys.stdin is None:
        sys.stdin = os.fdopen(os.open(os.devnull, os.O_WRONLY), "r")
    if sys.stdout is None:
        sys.stdout = os.fdopen(os.open(os.devnull, os.O_RDONLY), "w")
    if sys.stderr is None:
        sys.stderr = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", errors="backslashreplace")


def _give_up_stdout() -> None:
    """Leaves what a full disk has no room for: the interpreter would try again as it ends, and complain."""
    with open(os.devnull, "wb") as nowhere:  # noqa: PTH123 a device
        os.dup2(nowhere.fileno(), sys.stdout.fileno())
