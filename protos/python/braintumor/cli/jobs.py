"""`braintumor jobs`: retraining jobs, newest first."""

import click

from braintumor.cli.connection import connected, service_options
from braintumor.cli.job_text import outcome_text, progress_text
from braintumor.cli.record import job_line, word
from braintumor.cli.table import moment, table
from braintumor.jobs import Job


@click.command()
@click.option(
    "--all/--running", "all_of_them", default=True, help="All jobs, or those that have not ended; by default all."
)
@click.option("--json", "as_json", is_flag=True, help="Print a line of JSON per job.")
@service_options
def jobs(all_of_them: bool, as_json: bool, address: str, timeout_s: float) -> None:
    """Lists retraining jobs, newest first."""
    with connected(address, timeout_s) as client:
        found = client.jobs(done=None if all_of_them else False)
    if as_json:
        for job in found:
            click.echo(job_line(job))
    else:
        click.echo(table(("OPERATION", "STATE", "CREATED", "HOW FAR"), *map(_row, found)))


def _row(job: Job) -> tuple[str, str, str, str]:
    how_far = outcome_text(job) if job.done else progress_text(job)
    return job.operation, word(job.metadata, "state"), moment(job.metadata.create_time), how_far
