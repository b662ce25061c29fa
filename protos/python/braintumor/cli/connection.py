"""How commands reach the service, and what they say where they cannot."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from braintumor.channel import DEFAULT_ADDRESS, DEFAULT_TIMEOUT_S
from braintumor.cli.number_range import NumberRange
from braintumor.cli.security import credentials, security_options, tls_options, token
from braintumor.client import Client
from braintumor.errors import ServiceError

_Command = TypeVar("_Command", bound=Callable[..., Any])

# What gRPC says where one side has TLS and the other has not, does not know the certificate or has another name for it,
# and where a file of ours is none that it can use.
_TLS_FAILURE = re.compile(r"last error: .*(?:Socket closed|handshake failed|Verification Check|security handshaker)")

# What it says among that where the other side answers a handshake with something else.
_NO_TLS = "WRONG_VERSION_NUMBER"

# What it says last where localhost is tried at two addresses, of which the other one may want TLS.
_ONE_OF_TWO_ADDRESSES = re.compile(r"last error: .*(?:\[::1\]|%5B::1%5D).*Connection refused")

_PORT = re.compile(r":([0-9]+)$")
_LAST_PORT = 65535


class Unreached(click.ClickException):
    """The service was not reached, or did not answer in time."""

    exit_code = 3


def may_pass(error: ServiceError) -> bool:
    """Whether the same call may do better later."""
    return error.unreached or error.retry_after_s is not None


def _address_that_is(_context: click.Context, _option: click.Parameter, address: str) -> str:
    # gRPC would call another port, and of an empty one it tells in words of its own.
    if not address:
        raise click.BadParameter("is empty; give host and port")
    if (port := _PORT.search(address)) and int(port[1]) > _LAST_PORT:
        raise click.BadParameter(f"{address} has a port beyond {_LAST_PORT}")
    return address


def service_options(command: _Command, *, timeout_s: float = DEFAULT_TIMEOUT_S) -> _Command:
    """Adds the options `address` and `timeout_s`, the latter with a default of its own where the command is slow."""
    address = click.option(
        "--address",
        envvar="BRAINTUMOR_ADDRESS",
        default=DEFAULT_ADDRESS,
        show_default=True,
        show_envvar=True,
        callback=_address_that_is,
        help="Where the service listens.",
    )
    timeout = click.option(
        "--timeout",
        "timeout_s",
        type=NumberRange(min=0, min_open=True),
        default=timeout_s,
        show_default=True,
        help="Longest wait for an answer, in seconds.",
    )
    return address(timeout(security_options(command)))


def given_options() -> list[str]:
    """Returns words of a command line that lead to the same service; no token, as others see them too."""
    context = click.get_current_context()
    values = {"address": context.params["address"], **tls_options()}
    words: list[str] = []
    for name, value in values.items():
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            words += [f"--{name}"] if value is True else [f"--{name}", value]
    return words


def open_client(address: str, timeout_s: float) -> Client:
    """Opens a client as the running command's options say.

    Raises:
      click.UsageError: these options do not go together, or name a file that is not what it should be.
    """
    try:
        return Client(address, credentials=credentials(), timeout_s=timeout_s, token=token())
    except (ValueError, OSError) as err:
        raise click.UsageError(str(err)) from err


@contextmanager
def connected(address: str, timeout_s: float) -> Iterator[Client]:
    """Opens a client.

    Raises:
      Unreached: a call found no service, or was not answered in time.
      click.ClickException: a call was refused.
    """
    try:
        with open_client(address, timeout_s) as client:
            yield client
    except ServiceError as err:
        message = " ".join(str(err).split())
        if err.unreached:
            raise Unreached(f"no answer from the service at {address}: {message}{_tls_hint(message)}") from err
        raise click.ClickException(message) from err


def _tls_hint(message: str) -> str:
    """Returns what to look at where TLS may be why the service was not reached, and nothing where it is not."""
    if not any(tls_options().values()):
        may_be = _TLS_FAILURE.search(message) or _ONE_OF_TWO_ADDRESSES.search(message)
        return "; is it TLS? see --tls, --ca and --cert" if may_be else ""
    if _NO_TLS in message:
        return "; is it plain text? leave out --tls, --ca, --cert and --key, and their variables"
    return "; do the certificates fit? see --ca and --cert" if _TLS_FAILURE.search(message) else ""
