"""The trainer's commands, by hand and of the daemon: python -m trainer --help lists them."""

import asyncio
import dataclasses
import os
import shutil
import signal
import sys
from pathlib import Path

import click
from tqdm import tqdm

from trainer.architectures import ARCHITECTURES, DEFAULT_ARCHITECTURE
from trainer.errors import TrainerError
from trainer.orders import DEFAULT_ORDER, MAX_EPOCHS, MAX_SEED, check_npz_filename, check_targets
from trainer.progress_bar import bar_of
from trainer.settings import TrainerSettings
from transport.environment import SettingsError, settings_from_environment
from transport.errors import CannotListenError
from transport.exposure import refusal
from transport.watched import UnusableFileError

_DEFAULT_SEED = DEFAULT_ORDER.seed
_SEEDS = click.IntRange(0, MAX_SEED)
_ARCHITECTURE_HELP = f"One of {', '.join(ARCHITECTURES)}; by default {DEFAULT_ARCHITECTURE}."
_EPOCHS = click.IntRange(0, MAX_EPOCHS)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.pass_context
def main(context: click.Context) -> None:
    """Builds data sets, trains, evaluates and publishes versions. Paths are relative to DATA_ROOT."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # TensorFlow reads it when it is first imported
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that nothing half-written is left
    context.obj = settings_from_environment(TrainerSettings)


@main.command()
@click.option(
    "--zip",
    "archive",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Archive of images and labels, instead of the three options below.",
)
@click.option("--image-dir", default=DEFAULT_ORDER.image_dir, show_default=True, help="Directory searched for images.")
@click.option("--target-dir", default=DEFAULT_ORDER.target_dir, show_default=True, help="Directory of the label file.")
@click.option(
    "--target-file",
    default=DEFAULT_ORDER.target_file,
    show_default=True,
    help="Label file: CSV with columns Image and Class.",
)
@click.option("--data-dir", default=DEFAULT_ORDER.data_dir, show_default=True, help="Directory of the data set.")
@click.option("--npz-filename", default=DEFAULT_ORDER.npz_filename, show_default=True, help="File of the data set.")
@click.option("--seed", type=_SEEDS, default=_DEFAULT_SEED, show_default=True, help="Of the split.")
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
    from trainer.known_slices import KnownSlices
    from trainer.record import write_record
    from trainer.sources import DirectorySource, ZipSource
    from trainer.versions import require_version

    if after:
        require_version(settings.model_dir, after)
    known = KnownSlices.of_version(settings.model_dir, after)
    root = settings.data_root
    labels = root / target_dir / target_file
    paths = dataset.DatasetPaths(root / data_dir / npz_filename, settings.train_npz, settings.test_npz)
    check_npz_filename(npz_filename)
    check_targets(paths.all_npz, archive or labels, (paths.train_npz, paths.test_npz))
    with bar_of("slices") as bar:
        if archive is None:
            source = DirectorySource(root / image_dir, labels)
            summary = dataset.build_dataset(source, paths, seed, bar, known)
        else:
            with ZipSource(archive) as zipped:
                summary = dataset.build_dataset(zipped, paths, seed, bar, known)
    write_record(settings.dataset_summary, summary)
    _show(summary)


@main.command()
@click.option("--architecture", default="", help=_ARCHITECTURE_HELP)
@click.option("--epochs", type=_EPOCHS, default=0, help="By default the architecture's own number.")
@click.option(
    "--seed",
    type=_SEEDS,
    default=_DEFAULT_SEED,
    show_default=True,
    help="Of validation split, weights and augmentation.",
)
@click.pass_obj
def train(settings: TrainerSettings, architecture: str, epochs: int, seed: int) -> None:
    """Fits an architecture on the training split."""
    from trainer import train as fitting
    from trainer.architectures import architecture_named
    from trainer.dataset import load_split
    from trainer.figures import EpochMetrics
    from trainer.record import write_record
    from trainer.run_directory import renewed

    chosen, split = architecture_named(architecture), load_split(settings.train_npz)
    total = epochs or chosen.recipe.epochs
    with renewed(settings.run_dir) as run_dir, tqdm(total=total, unit="epoch", disable=None) as bar:

        def on_epoch(epoch: int, metrics: EpochMetrics) -> None:
            bar.update()
            figures = "  ".join(f"{name} {value:.4f}" for name, value in dataclasses.asdict(metrics).items())
            bar.write(f"epoch {epoch}/{total}  {figures}", file=sys.stdout)

        def on_critic(done: int, of: int) -> None:
            bar.write(f"domain critic, epoch {done}/{of}", file=sys.stdout)

        training = fitting.train(split, chosen, epochs, seed, run_dir, on_epoch, on_critic)
        write_record(run_dir / "training.json", training)
        shutil.rmtree(run_dir / "checkpoint")
    click.echo(f"kept epoch {training.kept_epoch + 1}, temperature {training.temperature:.3f}")


@main.command()
@click.argument("version", type=click.IntRange(min=1))
@click.option("--keep-critic", is_flag=True, help="Keep the domain critic too, and fit the calibration alone.")
@click.pass_obj
def refit(settings: TrainerSettings, version: int, keep_critic: bool) -> None:
    """Keeps the network of a VERSION, and fits domain critic and calibration anew beside it."""
    from trainer import train as fitting
    from trainer.dataset import load_split
    from trainer.kept_network import KeptNetwork
    from trainer.record import write_record
    from trainer.run_directory import renewed

    kept = KeptNetwork.of_version(settings.model_dir, version)
    split = load_split(settings.train_npz)
    with renewed(settings.run_dir) as run_dir, bar_of("epoch") as bar:
        training = fitting.refit(split, kept, run_dir, bar, keep_critic=keep_critic)
        write_record(run_dir / "training.json", training)
    click.echo(f"kept the network of version {version}, temperature {training.temperature:.3f}")


@main.command()
@click.option(
    "--version", type=click.IntRange(min=0), default=0, help="A published version; by default what was trained last."
)
@click.pass_obj
def evaluate(settings: TrainerSettings, version: int) -> None:
    """Measures a model on the test split."""
    from trainer.dataset import load_split
    from trainer.evaluate import Candidate, predict_split
    from trainer.evaluate import evaluate as figures_of
    from trainer.known_slices import require_unseen, seen_among
    from trainer.versions import require_version

    directory = settings.run_dir / "candidate"
    if version:
        require_version(settings.model_dir, version)
        directory = settings.model_dir / str(version)
    elif not directory.exists():
        raise TrainerError("nothing has been trained yet; run: python -m trainer train")
    split = load_split(settings.test_npz)
    if not version:
        require_unseen(directory, split.images)
    elif seen := seen_among(directory, split.images):
        click.echo(f"version {version} was fitted to {seen} of these {len(split.labels)} slices, which flatters it")
    with bar_of("slices") as bar:
        outputs = predict_split(Candidate(directory), split, bar)
    _show(figures_of(outputs, split.labels))


@main.command()
@click.option("--architecture", default="", help=_ARCHITECTURE_HELP)
@click.option("--epochs", type=_EPOCHS, default=0, help="By default the architecture's own number.")
@click.option(
    "--seed", type=_SEEDS, default=_DEFAULT_SEED, show_default=True, help="Of folds, weights and augmentation."
)
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
    directory = settings.data_root / "cross-validation" / name
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


@main.command()
@click.option("--data-source", default="not stated", help="Where the training data comes from, for the model card.")
@click.option("--data-licence", default="not stated", help="Its licence, for the model card.")
@click.option(
    "--compare",
    "others",
    type=(str, click.Path(exists=True, file_okay=False, path_type=Path)),
    multiple=True,
    metavar="NAME PATH",
    help="A SavedModel to compare with in the report, beside the stable version. May be given again.",
)
@click.pass_obj
def publish(
    settings: TrainerSettings, data_source: str, data_licence: str, others: tuple[tuple[str, Path], ...]
) -> None:
    """Makes what was trained last the next version, with its figures on the test split."""
    from trainer import publish as publication
    from trainer.evaluate import evaluate as figures_of
    from trainer.known_slices import require_unseen
    from trainer.model_card import DataSource
    from trainer.record import read_record
    from trainer.report.by_hand import answers_by_hand
    from trainer.rollout_files import RolloutFiles
    from trainer.train import Training

    training = read_record(settings.run_dir / "training.json", Training)
    stable = RolloutFiles(settings).read().stable or 0
    if stable:
        others = ((f"version {stable}, stable before", settings.model_dir / str(stable)), *others)
    compared = dict(others)
    if len(compared) < len(others):
        raise click.UsageError("give each --compare a name of its own")
    with bar_of("slices") as bar:
        answers = answers_by_hand(settings, compared, bar)
    require_unseen(settings.run_dir / "candidate", answers.split.images)
    evaluation = figures_of(answers.outputs, answers.split.labels)
    source = DataSource(data_source, data_licence)
    version = publication.publish(
        settings.run_dir / "candidate", settings.model_dir, training, evaluation, answers, source, stable
    )
    click.echo(f"published {settings.model_name} version {version}, which no gate has held against the stable one")
    click.echo(f"make it stable with: braintumor promote {version}")


@main.command()
@click.pass_obj
def serve(settings: TrainerSettings) -> None:
    """Runs the daemon: retraining jobs and versions over gRPC, until SIGTERM or Ctrl-C."""
    from observability import logs
    from trainer import server

    if problem := refusal("trainer", settings.address, settings.tls, knows_callers=False, insecure=settings.insecure):
        click.echo(problem, err=True)
        raise click.exceptions.Exit(2)
    logs.configure(settings.log_level)
    asyncio.run(server.serve(settings))


@main.command()
@click.pass_obj
def write_config(settings: TrainerSettings) -> None:
    """Makes models.config for serving to start with, unless it is there already."""
    from trainer.rollout_files import RolloutFiles

    RolloutFiles(settings).ensure()
    click.echo(f"serving may start with --model_config_file={settings.models_config}")


@main.command()
@click.argument("path", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--seed", type=_SEEDS, default=0, show_default=True, help="The same seed draws the same slice.")
@click.option("--lesion", is_flag=True, help="With a bright lesion.")
def synthetic_slice(path: Path, seed: int, lesion: bool) -> None:
    """Draws a made-up slice, to try the service with. PATH is relative to the working directory."""
    from PIL import Image

    from trainer import synthetic

    try:
        Image.fromarray(synthetic.synthetic_slice(seed, lesion)[..., 0]).save(path)
    except (KeyError, ValueError) as err:  # Pillow does not know the suffix, or only how to read such files
        raise click.UsageError(f"give {click.format_filename(path)} a suffix such as .png") from err
    except OSError as err:
        raise click.FileError(click.format_filename(path), err.strerror or str(err)) from err
    click.echo(f"drew {path}")


def _show(record: object) -> None:
    for name, value in dataclasses.asdict(record).items():  # type: ignore[call-overload]  # both records are dataclasses
        click.echo(f"{name:>16}  {value:.4f}" if isinstance(value, float) else f"{name:>16}  {value}")


if __name__ == "__main__":
    try:
        main()
    except TrainerError as err:
        sys.exit(f"{type(err).__name__}: {err}")
    except UnusableFileError as err:
        sys.exit(str(err))
    except CannotListenError as err:
        sys.exit(f"{err} TRAINER_ADDRESS, TRAINER_HEALTH_ADDRESS and TRAINER_METRICS_ADDRESS set others")
    except OSError as err:
        sys.exit(str(err))
    except SettingsError as err:
        click.echo(err, err=True)
        sys.exit(2)
