"""`python -m trainer write-config`: what serving starts with."""

import click

from trainer.settings import TrainerSettings


@click.command()
@click.pass_obj
def write_config(settings: TrainerSettings) -> None:
    """Makes models.config for serving to start with, unless it is there already."""
    from trainer.rollout.files import RolloutFiles

    RolloutFiles(settings).ensure()
    click.echo(f"serving may start with --model_config_file={settings.models_config}")
