"""The `braintumor` command: its commands, and nothing of what they do."""

import click

from braintumor.cli.info import info
from braintumor.cli.predict import predict
from braintumor.cli.wait import wait

COMMANDS = (predict, info, wait)
"""All commands: a new one is a file and its place here."""


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="braintumor-client")
def main() -> None:
    """Classifies brain MRI slices with a running service. Not a medical device.

    Exit status: 0 all went well, 1 a call or an image failed, 2 wrong usage, 3 the service was not
    reached or did not answer in time.
    """


for _command in COMMANDS:
    main.add_command(_command)
