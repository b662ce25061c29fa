"""`braintumor watch`: follows a retraining job."""

from functools import partial

import click

from braintumor.cli.connection import connected, service_options
from braintumor.cli.follow import follow
from braintumor.cli.operation import operation_argument
from braintumor.watching import WATCH_TIMEOUT_S


@click.command()
@operation_argument
@click.option("--json", "as_json", is_flag=True, help="Print a line of JSON per change.")
@partial(service_options, timeout_s=WATCH_TIMEOUT_S)
def watch(operation: str, as_json: bool, address: str, timeout_s: float) -> None:
    """Follows a retraining job to its end. Ctrl-C leaves it running."""
    with connected(address, timeout_s) as client:
        follow(client, operation, as_json=as_json, timeout_s=timeout_s)
