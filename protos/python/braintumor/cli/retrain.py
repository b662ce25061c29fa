"""`braintumor retrain`: starts a retraining job."""

import shlex
import uuid
from functools import partial
from typing import Any

import click

from braintumor.cli.connection import connected, service_options
from braintumor.cli.follow import follow, way_back
from braintumor.cli.parting import parting
from braintumor.cli.record import job_line
from braintumor.watching import WATCH_TIMEOUT_S


@click.command()
@click.option("--image-dir", metavar="PATH", help="Directory of the images, or a zip of images and label file.")
@click.option("--target-dir", metavar="DIR", help="Directory of the label file.")
@click.option("--target-file", metavar="NAME", help="Label file: CSV with columns Image and Class.")
@click.option("--data-dir", metavar="DIR", help="Directory to which the data set is written.")
@click.option("--epochs", type=click.IntRange(1, 1000), help="Passes over the training split.")
@click.option("--npz-filename", metavar="NAME", help='File of the data set, ending in ".npz".')
@click.option("--architecture", metavar="NAME", help="Network to train.")
@click.option(
    "--seed", type=click.IntRange(1, 2**32 - 1), help="Of new slices' side of the split, weights and augmentation."
)
@click.option("--force", is_flag=True, help="Publish the version although the gate refuses it.")
@click.option("--request-id", metavar="ID", help="The same id with the same options is the same job.")
@click.option("--watch", "watched", is_flag=True, help="Stay until the job has ended, and show how it goes on.")
@click.option("--json", "as_json", is_flag=True, help="Print the job as JSON; with --watch, a line per change.")
@partial(service_options, timeout_s=WATCH_TIMEOUT_S)
def retrain(watched: bool, as_json: bool, request_id: str | None, address: str, timeout_s: float, **order: Any) -> None:
    """Retrains the model on labelled slices.

    What passes the gate becomes the stable version, and callers notice nothing. Paths are relative to the service's
    data root; what is left out is the service's to choose. Ctrl-C leaves a job that is watched running. Where there is
    no answer, stderr says how to repeat the command so that it orders no second job.
    """
    given = {name: value for name, value in order.items() if value is not None}
    request_id = request_id or uuid.uuid4().hex
    option = f"--request-id {shlex.quote(request_id)}"
    again = f"a job that was ordered all the same is not ordered twice where you repeat the command with {option}"
    with connected(address, timeout_s) as client:
        with parting(left=again, away=again):
            job = client.retrain(request_id=request_id, **given)
        if watched:
            follow(client, job.operation, as_json=as_json, timeout_s=timeout_s)
        else:
            click.echo(job_line(job) if as_json else job.operation)
            click.echo(f"follow it with: {way_back(job.operation)}", err=True)
