"""The command that leads back to a job."""

import shlex

import click
from braintumor.cli.connection import service_options
from braintumor.cli.follow import way_back


def _way_back(*arguments: str) -> list[str]:
    told: list[str] = []

    @click.command()
    @service_options
    def command(**_: object) -> None:
        told.append(way_back("operations/1"))

    command.main(arguments, standalone_mode=False)
    return shlex.split(*told)


def test_it_names_what_was_given_about_the_service_but_no_token(tmp_path, monkeypatch):
    """What came from variables is there for the next command too."""
    path = tmp_path / "a file.pem"
    path.touch()
    given = ["--address", "gateway:1", "--tls", "--ca", str(path), "--cert", str(path), "--key", str(path)]
    assert _way_back(*given, "--token", "bt_x") == ["braintumor", "watch", "operations/1", *given]
    monkeypatch.setenv("BRAINTUMOR_ADDRESS", "gateway:1")
    monkeypatch.setenv("BRAINTUMOR_TLS", "1")
    assert _way_back("--ca", str(path)) == ["braintumor", "watch", "operations/1", "--ca", str(path)]
