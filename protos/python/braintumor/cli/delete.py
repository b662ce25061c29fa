"""`braintumor delete`: forgets a retraining job."""

import click

from braintumor.cli.connection import connected, service_options
from braintumor.cli.operation import operation_argument


@click.command()
@operation_argument
@service_options
def delete(operation: str, address: str, timeout_s: float) -> None:
    """Forgets a retraining job that has ended.

    Its log goes with it; a version that it made stays.
    """
    with connected(address, timeout_s) as client:
        client.delete(operation)
    click.echo(f"{operation} is deleted")
