"""`braintumor info`: what the service is, and what it takes."""

import click

from braintumor.cli.connection import connected, service_options
from braintumor.cli.record import message_line
from braintumor.v1.classifier_service_pb2 import GetServiceInfoResponse, ServedVersion


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
@service_options
def info(as_json: bool, address: str, timeout_s: float) -> None:
    """Tells what the service is, which versions answer, and its limits."""
    with connected(address, timeout_s) as client:
        answer = client.info()
    click.echo(message_line(answer) if as_json else _text(answer))


def _text(answer: GetServiceInfoResponse) -> str:
    rows = {
        "documentation": answer.documentation,
        "service": f"version {answer.service_version}",
        "model": answer.model_name,
        "versions": "; ".join(map(_version, answer.served_versions)) or "none answers",
        "limits": f"{answer.limits.max_image_bytes / 2**20:g} MiB, {answer.limits.max_image_pixels:,} pixels",
        "formats": ", ".join(answer.image_formats),
    }
    return "\n".join([answer.message, *(f"  {name:<14}{text}" for name, text in rows.items())])


def _version(served: ServedVersion) -> str:
    size = f"{served.input_height} x {served.input_width} x {served.input_channels}"
    return f"{served.version} {served.label or 'latest'} ({size})"
