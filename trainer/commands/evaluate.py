"""`python -m trainer evaluate`: measures a model."""

import click

from trainer.commands.options import show
from trainer.progress_bar import bar_of
from trainer.settings import TrainerSettings


@click.command()
@click.option("--version", type=click.IntRange(min=1), help="A published version; by default what was trained last.")
@click.pass_obj
def evaluate(settings: TrainerSettings, version: int | None) -> None:
    """Measures a model on the test split."""
    from trainer.data.known_slices import require_unseen, seen_among
    from trainer.dataset import load_split
    from trainer.evaluate import Candidate, predict_images
    from trainer.evaluate import evaluate as figures_of
    from trainer.jobs.run_directory import CANDIDATE, in_use
    from trainer.versions import require_version

    if version is not None:
        require_version(settings.model_dir, version)
        directory = settings.model_dir / str(version)
    else:
        click.get_current_context().with_resource(in_use(settings.run_dir))
        directory = settings.run_dir / CANDIDATE
    split = load_split(settings.test_npz)
    if version is None:
        require_unseen(directory, split.images)
    elif seen := seen_among(directory, split.images):
        click.echo(f"version {version} was fitted to {seen} of these {len(split.labels)} slices, which flatters it")
    with bar_of("slices") as bar:
        outputs = predict_images(Candidate(directory), split.images, on_progress=bar)
    show(figures_of(outputs, split.labels))
