"""`python -m trainer cross-validate`: measures a recipe."""

import sys

import click
from tqdm import tqdm

from trainer.commands import options
from trainer.settings import TrainerSettings


@click.command()
@options.architecture
@options.epochs
@options.seed("Of folds, weights and augmentation.")
@click.option("--folds", default=5, show_default=True, type=click.IntRange(min=2), help="How many models to train.")
@options.data_dir
@options.npz_filename
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
