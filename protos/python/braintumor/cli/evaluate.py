"""`braintumor evaluate`: measures a version on the stored test split."""

from functools import partial

import click

from braintumor.cli.connection import connected, service_options
from braintumor.cli.job_text import figures_text
from braintumor.cli.number_range import VERSION_NUMBER
from braintumor.cli.record import message_line
from braintumor.version_calls import EVALUATION_TIMEOUT_S


@click.command()
@click.argument("number", type=VERSION_NUMBER, required=False, metavar="[VERSION]")
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
@partial(service_options, timeout_s=EVALUATION_TIMEOUT_S)
def evaluate(number: int | None, as_json: bool, address: str, timeout_s: float) -> None:
    """Measures a version on the test split.

    By default that is the stable version. The split is the one that was stored when a data set was last built.
    """
    with connected(address, timeout_s) as client:
        answer = client.evaluate(number or 0, timeout_s=timeout_s)
    if as_json:
        click.echo(message_line(answer))
    else:
        version, figures, seen = answer.model_version, answer.evaluation, answer.seen_in_training
        click.echo(f"version {version}: {figures_text(figures)}")
        if seen:
            click.echo(f"version {version} was fitted to {seen} of these {figures.examples} slices, which flatters it")
        click.echo(answer.classification_report.rstrip())
