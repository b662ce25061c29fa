"""`braintumor wait`: waits until the service answers from a version of the model."""

import shlex
import shutil
import sys
import time
from pathlib import Path

import click

from braintumor.channel import DEFAULT_ADDRESS
from braintumor.cli.connection import Unreached, may_pass, open_client, service_options
from braintumor.errors import ServiceError

_PAUSE_S = 0.2
_GREETING = """\
ready at {address}, version {version} of {model}; in a second terminal:
    {command} predict slice.png{option}
    {command} --help
"""


@click.command()
@service_options
def wait(address: str, timeout_s: float) -> None:
    """Waits until the service is ready, and says how to call it."""
    until = time.monotonic() + timeout_s
    with open_client(address, timeout_s=1) as client:
        while True:
            try:
                answer = client.info()
            except ServiceError as err:
                if not may_pass(err):
                    raise click.ClickException(str(err)) from err
            else:
                if answer.served_versions:
                    break
            if time.monotonic() > until:
                raise Unreached(f"the service at {address} is not ready after {timeout_s:g} s")
            time.sleep(_PAUSE_S)
    version = answer.served_versions[0].version
    option = "" if address == DEFAULT_ADDRESS else f" --address {shlex.quote(address)}"
    words = {"address": address, "version": version, "model": answer.model_name, "option": option}
    click.echo(_GREETING.format(command=_command(), **words), nl=False)


def _command() -> str:
    """Returns how this command is called: by its name where the path leads to it, else as it was."""
    called = Path(sys.argv[0])
    found = shutil.which(called.name)
    return called.name if found and Path(found).absolute() == called.absolute() else str(called)
