"""The argument that names a job."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

_Command = TypeVar("_Command", bound=Callable[..., Any])

_PREFIX = "operations/"


def operation_argument(command: _Command) -> _Command:
    """Adds the argument `operation`: a name, "operations/…", or what follows the slash."""
    return click.argument("operation", metavar="OPERATION", callback=_full_name)(command)


def _full_name(context: click.Context, parameter: click.Parameter, name: str) -> str:  # noqa: ARG001 click gives three
    return name if name.startswith(_PREFIX) else _PREFIX + name
