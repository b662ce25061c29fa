"""`python -m trainer train`: fits a network."""

import dataclasses
import sys

import click
from tqdm import tqdm

from trainer.commands import options
from trainer.settings import TrainerSettings


@click.command()
@options.architecture
@options.epochs
@options.seed("Of validation split, weights and augmentation.")
@click.pass_obj
def train(settings: TrainerSettings, architecture: str, epochs: int, seed: int) -> None:
    """Fits an architecture on the training split."""
    from trainer.architectures import architecture_named
    from trainer.dataset import load_split
    from trainer.figures import EpochMetrics
    from trainer.jobs.run_directory import CHECKPOINT, TRAINING, remove, renewed
    from trainer.record import write_record
    from trainer.train import train as trained

    chosen, split = architecture_named(architecture), load_split(settings.train_npz)
    total = epochs or chosen.recipe.epochs
    with renewed(settings.run_dir) as run_dir, tqdm(total=total, unit="epoch", disable=None) as bar:

        def on_epoch(epoch: int, metrics: EpochMetrics) -> None:
            bar.update()
            figures = "  ".join(f"{name} {value:.4f}" for name, value in dataclasses.asdict(metrics).items())
            bar.write(f"epoch {epoch}/{total}  {figures}", file=sys.stdout)

        def on_critic(done: int, of: int) -> None:
            bar.write(f"domain critic, epoch {done}/{of}", file=sys.stdout)

        training = trained(split, chosen, epochs, seed, run_dir, on_epoch, on_critic)
        write_record(run_dir / TRAINING, training)
        remove(run_dir / CHECKPOINT)
    click.echo(f"kept epoch {training.kept_epoch + 1}, temperature {training.temperature:.3f}")
