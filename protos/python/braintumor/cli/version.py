"""`braintumor version`: one version of the model, with its model card."""

import json

import click

from braintumor.cli.connection import connected, service_options
from braintumor.cli.number_range import VERSION_NUMBER
from braintumor.cli.record import as_record
from braintumor.cli.version_text import card_text


@click.command()
@click.argument("number", type=VERSION_NUMBER, required=False, metavar="[VERSION]")
@click.option("--json", "as_json", is_flag=True, help="Print the version and its model card as JSON.")
@service_options
def version(number: int | None, as_json: bool, address: str, timeout_s: float) -> None:
    """Shows the model card of a version.

    By default that is the stable version. The card says what it is, what it was made from, and how far to trust it.
    """
    with connected(address, timeout_s) as client:
        found = client.version(number or 0)
    if not as_json:
        click.echo(card_text(found))
        return
    record = as_record(found)
    card = record.pop("model_card_json")
    click.echo(json.dumps({**record, "model_card": json.loads(card) if card else None}))
