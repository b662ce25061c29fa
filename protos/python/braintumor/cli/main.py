"""The `braintumor` command: its commands, and nothing of what they do."""

import click

from braintumor.cli.canary import canary
from braintumor.cli.cancel import cancel
from braintumor.cli.delete import delete
from braintumor.cli.ending import run
from braintumor.cli.evaluate import evaluate
from braintumor.cli.info import info
from braintumor.cli.jobs import jobs
from braintumor.cli.predict import predict
from braintumor.cli.promote import promote
from braintumor.cli.report import report
from braintumor.cli.retrain import retrain
from braintumor.cli.rollback import rollback
from braintumor.cli.version import version
from braintumor.cli.versions import versions
from braintumor.cli.wait import wait
from braintumor.cli.watch import watch

COMMANDS = (
    *(predict, info, wait),
    *(retrain, watch, jobs, cancel, delete),
    *(versions, version, report, evaluate, promote, rollback, canary),
)
"""All commands: a new one is a file and its place here."""


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="braintumor-client")
def commands() -> None:
    """Classifies brain MRI slices with a running service. Not a medical device.

    Exit status: 0 all went well, 1 a call, an image or a job failed, 2 wrong usage, 3 the service was not
    reached or did not answer in time, 4 a job ended well and the gate refused its version, 130 interrupted;
    a job that was ordered goes on.
    """


for _command in COMMANDS:
    commands.add_command(_command)


def main() -> int:
    """Runs the command that the process's arguments name; returns the exit status."""
    return run(commands)
