"""`braintumor rollback`: goes back to the version before."""

from functools import partial

import click

from braintumor.cli.connection import connected, service_options
from braintumor.version_calls import ROLLOUT_TIMEOUT_S


@click.command()
@partial(service_options, timeout_s=ROLLOUT_TIMEOUT_S)
def rollback(address: str, timeout_s: float) -> None:
    """Goes back to the version that was stable before.

    It is still loaded, so that takes a moment. A second rollback goes forward again.
    """
    with connected(address, timeout_s) as client:
        stable = client.rollback(timeout_s=timeout_s)
    click.echo(f"version {stable.version} is the stable one now")
