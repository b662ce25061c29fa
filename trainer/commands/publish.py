"""`python -m trainer publish`: makes a version of what was trained."""

from pathlib import Path

import click

from trainer.progress_bar import bar_of
from trainer.settings import TrainerSettings


@click.command()
@click.option("--data-source", default="not stated", help="Where the training data comes from, for the model card.")
@click.option("--data-licence", default="not stated", help="Its licence, for the model card.")
@click.option(
    "--compare",
    "others",
    type=(str, click.Path(exists=True, file_okay=False, path_type=Path)),
    multiple=True,
    metavar="NAME PATH",
    help="A SavedModel, by its path from here, to compare with beside the stable version. May be given again.",
)
@click.pass_obj
def publish(
    settings: TrainerSettings, data_source: str, data_licence: str, others: tuple[tuple[str, Path], ...]
) -> None:
    """Makes what was trained last the next version, with its figures on the test split."""
    from trainer import publish as publication
    from trainer.evaluate import evaluate as figures_of
    from trainer.jobs.run_directory import CANDIDATE, TRAINING, in_use
    from trainer.model_card import DataSource
    from trainer.record import read_record
    from trainer.report.by_hand import answers_by_hand
    from trainer.rollout.files import RolloutFiles
    from trainer.train import Training

    click.get_current_context().with_resource(in_use(settings.run_dir))
    training = read_record(settings.run_dir / TRAINING, Training)
    stable = RolloutFiles(settings).read().stable or 0
    if stable:
        others = ((f"version {stable}, stable before", settings.model_dir / str(stable)), *others)
    compared = dict(others)
    if len(compared) < len(others):
        raise click.UsageError("give each --compare a name of its own")
    with bar_of("slices") as bar:
        answers = answers_by_hand(settings, compared, bar)
    evaluation = figures_of(answers.outputs, answers.split.labels)
    source = DataSource(data_source, data_licence)
    RolloutFiles(settings).decide()  # before there is a newer version, which nobody has made stable
    version = publication.publish(
        settings.run_dir / CANDIDATE, settings.model_dir, training, evaluation, answers, source, stable
    )
    click.echo(f"published {settings.model_name} version {version}, which no gate has held against the stable one")
    click.echo(f"make it stable with: braintumor promote {version}")
