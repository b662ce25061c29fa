"""`python -m trainer cross-validate`: measures a recipe."""

import sys

import click
from tqdm import tqdm

from trainer.commands.options import ARCHITECTURE_HELP, DEFAULT_SEED, EPOCHS, SEEDS
from trainer.jobs.orders import DEFAULT_ORDER
from trainer.settings import TrainerSettings


@click.command()
@click.option("--architecture", default="", help=ARCHITECTURE_HELP)
@click.option("--epochs", type=EPOCHS, default=0, help="By default the architecture's own number.")
@click.option("--seed", type=SEEDS, default=DEFAULT_SEED, show_default=True, help="Of folds, weights and augmentation.")
@click.option("--folds", default=5, show_default=True, type=click.IntRange(min=2), help="How many models to train.")
@click.option("--data-dir", default=DEFAULT_ORDER.data_dir, show_default=True, help="Directory of the data set.")
@click.option("--npz-filename", default=DEFAULT_ORDER.npz_filename, show_default=True, help="File of the data set.")
@click.pass_obj
def cross_validate(
    settings: TrainerSettings, architecture: str, epochs: int, seed: int, folds: int, data_dir: str, npz_filename: str
) -> None:
    """Measures a recipe on every slice, each by a model that never saw its near-duplicates."""
    from trainer import cross_validation
    from trainer.architectures import architecture_named
    from trainer.dataset import load_split
    from trainer.figures import EpochMetrics

    chosen = architecture_named(architecture)
    data = load_split(settings.data_root / data_dir / npz_filename)
    name = cross_validation.directory_name(data, chosen, epochs, seed, folds)
    directory = settings.cross_validation_dir / name
    evaluations = []
    with tqdm(total=folds * (epochs or chosen.recipe.epochs), unit="epoch", disable=None) as bar:

        def on_epoch(_epoch: int, _metrics: EpochMetrics) -> None:
            bar.update()

        figures = cross_validation.cross_validate(data, chosen, epochs, seed, folds, directory, on_epoch)
        for fold, (evaluation, is_kept) in enumerate(figures):
            evaluations.append(evaluation)
            text = "  ".join(f"{share} {getattr(evaluation, share):.4f}" for share in cross_validation.SHARES)
            bar.write(f"fold {fold}  {text}{'  kept from before' if is_kept else ''}", file=sys.stdout)
    for share, (mean, deviation) in cross_validation.spread(evaluations).items():
        click.echo(f"{share:>16}  {mean:.4f} +- {deviation:.4f}")
