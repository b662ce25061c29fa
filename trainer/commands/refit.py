"""`python -m trainer refit`: keeps the network of a version."""

import click

from trainer.progress_bar import bar_of
from trainer.settings import TrainerSettings


@click.command()
@click.argument("version", type=click.IntRange(min=1))
@click.option("--keep-critic", is_flag=True, help="Keep the domain critic too, and fit the calibration alone.")
@click.pass_obj
def refit(settings: TrainerSettings, version: int, keep_critic: bool) -> None:
    """Keeps the network of a VERSION, and fits domain critic and calibration anew beside it."""
    from trainer.dataset import load_split
    from trainer.jobs.run_directory import TRAINING, renewed
    from trainer.record import write_record
    from trainer.train import refit as refitted
    from trainer.training.kept_network import KeptNetwork

    kept = KeptNetwork.of_version(settings.model_dir, version)
    split = load_split(settings.train_npz)
    with renewed(settings.run_dir) as run_dir, bar_of("epoch") as bar:
        training = refitted(split, kept, run_dir, bar, keep_critic=keep_critic)
        write_record(run_dir / TRAINING, training)
    click.echo(f"kept the network of version {version}, temperature {training.temperature:.3f}")
