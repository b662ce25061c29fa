"""`braintumor canary`: tries a version on a share of the traffic."""

from functools import partial

import click

from braintumor.cli.connection import connected, service_options
from braintumor.cli.number_range import VERSION_NUMBER, NumberRange
from braintumor.version_calls import ROLLOUT_TIMEOUT_S


@click.command()
@click.argument("number", type=VERSION_NUMBER, required=False, metavar="[VERSION]")
@click.option("--percent", type=NumberRange(0, 100), required=True, help="Share of the calls; 0 ends the canary.")
@partial(service_options, timeout_s=ROLLOUT_TIMEOUT_S)
def canary(number: int | None, percent: float, address: str, timeout_s: float) -> None:
    """Tries a version on a share of the calls.

    Those that name no version count; with 0 percent, all of them go to the stable version again. Calls with one
    x-routing-key in their metadata are all answered by the same of the two versions.
    """
    if percent and number is None:
        raise click.UsageError("which version is the canary?")
    with connected(address, timeout_s) as client:
        tried = client.canary(number or 0, percent, timeout_s=timeout_s)
    if tried is None:
        click.echo("there is no canary now")
    else:
        click.echo(f"version {tried.version} gets {tried.canary_percent:g} % of the calls that name no version")
