"""Options for TLS and tokens, the same for every command."""

from collections.abc import Callable
from typing import Any, TypeVar

import click
import grpc

from braintumor.tls import channel_credentials

_Command = TypeVar("_Command", bound=Callable[..., Any])
_KEPT = "braintumor.cli.security."


def _keep(context: click.Context, option: click.Parameter, value: Any) -> None:
    # Beside the command's own parameters: none of the commands has to know of these.
    context.meta[f"{_KEPT}{option.name}"] = value


def security_options(command: _Command) -> _Command:
    """Adds --tls, --ca, --cert, --key and --token, which `credentials` and `token` read."""
    path: dict[str, Any] = {"type": click.Path(exists=True, dir_okay=False)}
    for name, details in (
        ("token", {"help": "API key or JWT; better as a variable, since others see a process's arguments."}),
        ("key", {"help": "Private key of --cert, in PEM.", **path}),
        ("cert", {"help": "Own certificate, in PEM, where the service asks for one.", **path}),
        ("ca", {"help": "Authorities of the service, in PEM; implies --tls.", **path}),
        ("tls", {"help": "Call over TLS.", "is_flag": True}),
    ):
        option: Any = {**details, "envvar": f"BRAINTUMOR_{name.upper()}", "show_envvar": True}
        command = click.option(f"--{name}", callback=_keep, expose_value=False, **option)(command)
    return command


def token() -> str | None:
    """Returns the running command's --token."""
    given: str | None = _kept("token")
    return given


def tls_options() -> dict[str, Any]:
    """Returns the running command's options for TLS, by name."""
    return {name: _kept(name) for name in ("tls", "ca", "cert", "key")}


def credentials() -> grpc.ChannelCredentials | None:
    """Returns the running command's credentials; None where it calls in plain text.

    Raises:
      ValueError: of certificate and key only one is given, or a file holds no such thing.
    """
    options = tls_options()
    if not any(options.values()):
        return None
    return channel_credentials(options["ca"], options["cert"], options["key"])


def _kept(name: str) -> Any:
    return click.get_current_context().meta.get(f"{_KEPT}{name}")
