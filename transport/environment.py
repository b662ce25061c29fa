"""Settings of a process from its environment, and what is wrong with them in the words of whoever sets them."""

import os
import re
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from textwrap import fill
from typing import Literal, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

_Settings = TypeVar("_Settings", bound=BaseSettings)

_RESEMBLANCE = 0.75
_OF_KUBERNETES = re.compile(r"SERVICE_(HOST|PORT(_.+)?)|PORT(_\d+_.+)?")
"""What it puts into each container of a namespace with a service of the process's name, behind the prefix."""


_BOUNDS = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}
"""Words for what pydantic notes of a field, by its name."""


class SettingsError(Exception):
    """Variables have values that cannot be, or do not go together, or set nothing; the text has a line for each."""


def settings_from_environment(kind: type[_Settings]) -> _Settings:
    """Reads the settings of a process.

    Raises:
      SettingsError: some cannot be; or a variable with the prefix of the process sets nothing, which may leave it
        without what it was to be protected by.
    """
    told = list(_unknown(kind))
    try:
        settings = kind()
    except ValidationError as err:
        told += [f"{_variable(kind, *map(str, error['loc']))}: {error['msg']}" for error in err.errors()]
    if told:
        raise SettingsError("\n".join(told))
    return settings


def description_of(kind: type[BaseSettings]) -> str:
    """Returns what can be set, for people: variable, default and meaning of each field and of its parts."""
    lines = ["Settings come from the environment:"]
    for variable, field in _with_parts(_fields(kind)):
        default = field.get_default(call_default_factory=True, validated_data={})
        default = str(default) if isinstance(default, Path) else default
        needed = f"needed where one of {variable.rpartition('__')[0]}__... is set"
        name = f"{variable}__..." if list(_parts(field)) else variable
        told = [needed if field.is_required() else f"default: {default!r}", *_limits(field)]
        lines.append(f"\n{name} ({', '.join(told)})")
        lines.append(
            fill(" ".join((field.description or "").split()), 100, initial_indent="    ", subsequent_indent="    ")
        )
    return "\n".join(lines)


def _limits(field: FieldInfo) -> Iterator[str]:
    """Yields what its type says of the values of a field: those there are, or between which they lie."""
    if get_origin(field.annotation) is Literal:
        yield f"one of {' | '.join(get_args(field.annotation))}"
    for limit in field.metadata:
        yield from (f"{words} {getattr(limit, name)}" for name, words in _BOUNDS.items() if hasattr(limit, name))


def _with_parts(fields: dict[str, FieldInfo]) -> Iterator[tuple[str, FieldInfo]]:
    for variable, field in fields.items():
        yield variable, field
        yield from ((f"{variable}__{name.upper()}", part) for name, part in _parts(field))


def _parts(field: FieldInfo) -> Iterator[tuple[str, FieldInfo]]:
    for kind in (field.annotation, *get_args(field.annotation)):
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from kind.model_fields.items()


def _unknown(kind: type[BaseSettings]) -> Iterator[str]:
    prefix = kind.model_config["env_prefix"]
    known = {variable.removeprefix(prefix): variable for variable, _ in _with_parts(_fields(kind))}
    for variable in sorted(os.environ):
        name = variable.removeprefix(prefix)
        if name == variable or variable in known.values() or _OF_KUBERNETES.fullmatch(name):
            continue
        close = get_close_matches(name, known, n=1, cutoff=_RESEMBLANCE)
        yield f"{variable} sets nothing" + (f"; did you mean {known[close[0]]}?" if close else "")


def _fields(kind: type[BaseSettings]) -> dict[str, FieldInfo]:
    """Returns the fields by the variables that set them."""
    return {_variable(kind, str(field.validation_alias or name)): field for name, field in kind.model_fields.items()}


def _variable(kind: type[BaseSettings], name: str, *parts: str) -> str:
    """Returns the variable of a field, or of a part of it, by its name or, where it has one, its alias."""
    prefixed = name if name.isupper() else kind.model_config["env_prefix"] + name
    return "__".join([prefixed, *parts]).upper()
