"""A job from now to its end, on the terminal."""

import shlex

import click

from braintumor.cli.connection import given_options
from braintumor.cli.job_text import response_text
from braintumor.cli.parting import parting
from braintumor.cli.record import job_line
from braintumor.cli.training_bar import TrainingBar
from braintumor.client import Client
from braintumor.jobs import Job

REFUSED_STATUS = 4
"""Exit status where a job ended well, and the gate refused its version."""


def follow(client: Client, operation: str, *, as_json: bool, timeout_s: float) -> None:
    """Shows how a job goes on and what it comes to.

    Args:
      client: watches.
      operation: name of the job.
      as_json: whether to print each report as a line of JSON on stdout, instead of the outcome.
      timeout_s: for how long the service may be away.

    Raises:
      click.ClickException: the job failed.
      click.exceptions.Exit: the gate refused its version, or the user left.
      ServiceError: the service refused, or was away for too long.
    """
    back = f"come back with: {way_back(operation)}"
    with parting(left=f"the job goes on; {back}", away=f"the job may go on; {back}"), TrainingBar() as bar:
        for job in client.watch(operation, timeout_s=timeout_s):
            bar.show(job)
            if as_json:
                bar.echo(job_line(job))
    _conclude(job, as_json=as_json)


def way_back(operation: str) -> str:
    """Returns the command that leads to a job from here."""
    return shlex.join(["braintumor", "watch", operation, *given_options()])


def _conclude(job: Job, *, as_json: bool) -> None:
    if job.error is not None:
        raise click.ClickException(" ".join(str(job.error).split()))
    if job.response is None:
        raise click.ClickException("the job ended without an outcome")
    refused = not job.response.model_version
    if not as_json:
        click.echo(response_text(job.response), err=refused)
    if refused:
        raise click.exceptions.Exit(REFUSED_STATUS)
