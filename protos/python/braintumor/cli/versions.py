"""`braintumor versions`: versions of the model, newest first."""

import click

from braintumor.cli.connection import connected, service_options
from braintumor.cli.record import message_line
from braintumor.cli.table import table
from braintumor.cli.version_text import HEADER, version_row


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print a line of JSON per version.")
@service_options
def versions(as_json: bool, address: str, timeout_s: float) -> None:
    """Lists the versions of the model, newest first."""
    with connected(address, timeout_s) as client:
        found = client.versions()
    if as_json:
        for version in found:
            click.echo(message_line(version))
    else:
        click.echo(table(HEADER, *map(version_row, found)))
