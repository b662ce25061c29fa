"""Settings of a process from its environment, and what is wrong with them in the words of whoever sets them."""

import os
from difflib import get_close_matches
from typing import TypeVar

from pydantic import ValidationError
from pydantic_settings import BaseSettings

_Settings = TypeVar("_Settings", bound=BaseSettings)

_RESEMBLANCE = 0.75


class SettingsError(Exception):
    """Variables have values that cannot be; the text has a line for each."""


def settings_from_environment(kind: type[_Settings]) -> _Settings:
    """Reads the settings of a process.

    Raises:
      SettingsError: some cannot be.
    """
    try:
        return kind()
    except ValidationError as err:
        told = (f"{_variable(kind, *map(str, error['loc']))}: {error['msg']}" for error in err.errors())
        raise SettingsError("\n".join(told)) from err


def unknown_variables(kind: type[BaseSettings]) -> list[str]:
    """Returns a line for each variable with the prefix of a process that sets nothing of it."""
    prefix = kind.model_config["env_prefix"]
    known = {_variable(kind, str(field.validation_alias or name)) for name, field in kind.model_fields.items()}
    unknown = sorted(name for name in os.environ if name.startswith(prefix) and name.partition("__")[0] not in known)
    # The prefix is no resemblance.
    unprefixed = {name.removeprefix(prefix): name for name in known}
    return [f"{name} sets nothing{_advice(name.removeprefix(prefix), unprefixed)}" for name in unknown]


def _variable(kind: type[BaseSettings], name: str, *parts: str) -> str:
    """Returns the variable of a field, or of a part of it, by its name or, where it has one, its alias."""
    prefixed = name if name.isupper() else kind.model_config["env_prefix"] + name
    return "__".join([prefixed, *parts]).upper()


def _advice(name: str, known: dict[str, str]) -> str:
    close = get_close_matches(name, known, n=1, cutoff=_RESEMBLANCE)
    return f"; did you mean {known[close[0]]}?" if close else ""
