"""`braintumor report`: saves the report of the training that made a version."""

from pathlib import Path

import click

from braintumor.cli.connection import connected, service_options
from braintumor.cli.number_range import VERSION_NUMBER


@click.command()
@click.argument("number", type=VERSION_NUMBER, metavar="VERSION")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to write.  [default: report-VERSION.html]",
)
@service_options
def report(number: int, output: Path | None, address: str, timeout_s: float) -> None:
    """Saves the report of a version's training.

    It is one HTML page that needs no network: curves, errors as pictures, and a comparison with the version before.
    """
    path = output or Path(f"report-{number}.html")
    with connected(address, timeout_s) as client:
        html = client.report(number)
    try:
        path.write_bytes(html)
    except OSError as err:
        raise click.FileError(click.format_filename(path), err.strerror) from err
    click.echo(f"saved {click.format_filename(path)}")
