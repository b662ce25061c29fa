"""`braintumor promote`: makes a version the stable one."""

from functools import partial

import click

from braintumor.cli.connection import connected, service_options
from braintumor.cli.number_range import VERSION_NUMBER
from braintumor.version_calls import ROLLOUT_TIMEOUT_S


@click.command()
@click.argument("number", type=VERSION_NUMBER, metavar="VERSION")
@partial(service_options, timeout_s=ROLLOUT_TIMEOUT_S)
def promote(number: int, address: str, timeout_s: float) -> None:
    """Makes a version the stable one.

    The label moves once the version is loaded and answers as in training; until then the present one answers.
    """
    with connected(address, timeout_s) as client:
        stable = client.promote(number, timeout_s=timeout_s)
    click.echo(f"version {stable.version} is the stable one now")
