"""`python -m trainer build-dataset`: labelled images to train and test splits."""

from contextlib import nullcontext
from pathlib import Path

import click

from trainer.commands import options
from trainer.jobs.orders import DEFAULT_ORDER, check_npz_filename, check_targets
from trainer.progress_bar import bar_of
from trainer.settings import TrainerSettings


@click.command()
@click.option(
    "--zip",
    "archive",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Archive of images and labels, from here, instead of the three options below.",
)
@click.option("--image-dir", default=DEFAULT_ORDER.image_dir, show_default=True, help="Directory searched for images.")
@click.option("--target-dir", default=DEFAULT_ORDER.target_dir, show_default=True, help="Directory of the label file.")
@click.option(
    "--target-file",
    default=DEFAULT_ORDER.target_file,
    show_default=True,
    help="Label file: CSV with columns Image and Class.",
)
@options.data_dir
@options.npz_filename
@options.seed("Of the split.")
@click.option(
    "--after",
    type=click.IntRange(min=0),
    default=0,
    help="A version: what it was fitted to or tested on stays on that side.",
)
@click.pass_obj
def build_dataset(
    settings: TrainerSettings,
    archive: Path | None,
    image_dir: str,
    target_dir: str,
    target_file: str,
    data_dir: str,
    npz_filename: str,
    seed: int,
    after: int,
) -> None:
    """Labelled images to train and test splits."""
    from trainer import dataset
    from trainer.data.known_slices import KnownSlices
    from trainer.data.sources import DirectorySource, ZipSource
    from trainer.record import write_record
    from trainer.versions import require_version

    if after:
        require_version(settings.model_dir, after)
    known = KnownSlices.of_version(settings.model_dir, after)
    root = settings.data_root
    labels = root / target_dir / target_file
    paths = dataset.DatasetPaths(root / data_dir / npz_filename, settings.train_npz, settings.test_npz)
    check_npz_filename(npz_filename)
    check_targets(paths.all_npz, archive or labels, (paths.train_npz, paths.test_npz))
    opened = ZipSource(archive) if archive else nullcontext(DirectorySource(root / image_dir, labels))
    with opened as source, bar_of("slices") as bar:
        summary = dataset.build_dataset(source, paths, seed, bar, known)
    write_record(settings.dataset_summary, summary)
    options.show(summary)
