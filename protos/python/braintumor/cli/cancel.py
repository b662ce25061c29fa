"""`braintumor cancel`: ends a retraining job."""

from functools import partial

import click

from braintumor.cli.connection import connected, service_options
from braintumor.cli.job_text import outcome_text
from braintumor.cli.operation import operation_argument
from braintumor.cli.record import word


@click.command()
@operation_argument
@partial(service_options, timeout_s=30.0)
def cancel(operation: str, address: str, timeout_s: float) -> None:
    """Ends a retraining job.

    Waits until it has ended; fails where the job had come to another end before.
    """
    with connected(address, timeout_s) as client:
        client.cancel(operation)
        job = client.job(operation)
    state = word(job.metadata, "state")
    if state != "cancelled":
        raise click.ClickException(f"{operation} had ended before: {state}, {outcome_text(job)}")
    click.echo(f"{operation} is cancelled")
