"""`braintumor predict`: classifies image files."""

import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import click

from braintumor.cli.answer import Answer
from braintumor.cli.bulk import Bulk
from braintumor.cli.connection import connected, service_options
from braintumor.cli.explanation import ExplanationFolder
from braintumor.cli.images import SUFFIXES, count_images
from braintumor.cli.number_range import VERSION_NUMBER
from braintumor.cli.printer import Printer
from braintumor.cli.progress import ProgressBar
from braintumor.client import Client
from braintumor.errors import ServiceError
from braintumor.requests import Question
from braintumor.stream import Outcome

_STDIN = Path("-")
_IMAGES = click.Path(exists=True, allow_dash=True, path_type=Path)


def _no_option(_context: click.Context, _option: click.Parameter, folder: Path | None) -> Path | None:
    # --explain looks like a flag, and would make a folder of the name of the option behind it.
    if folder is not None and str(folder).startswith("-"):
        raise click.BadParameter(f"needs a folder to write into, and {folder} looks like an option")
    return folder


@click.command(epilog=f"Suffixes of images in folders: {SUFFIXES}. A file that is named itself may have any.")
@click.argument("paths", nargs=-1, required=True, type=_IMAGES, metavar="PATH...")
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON per image.")
@click.option(
    "--explain",
    "explain_dir",
    type=click.Path(file_okay=False, path_type=Path),
    callback=_no_option,
    help="Write heatmaps, and the slices with their heatmap laid over them, into this folder.",
)
@click.option("--version", type=VERSION_NUMBER, help="Number of the model version to ask.")
@click.option("--version-label", help='Label of the model version to ask, instead of "stable".')
@service_options
def predict(
    paths: Sequence[Path],
    as_json: bool,
    explain_dir: Path | None,
    version: int | None,
    version_label: str | None,
    address: str,
    timeout_s: float,
) -> None:
    """Classifies image files, the images of whole folders, or with - for PATH the one image on stdin.

    Of a folder, hidden files are left out, what --explain wrote, and files without an image's suffix; stderr counts the
    last. Answers are printed as they come. Where an image fails, stderr says why; with --json, its line does.

    With many images --timeout is also for how long the service may be away in between. How long an image of many may
    take is the service's to say (GATEWAY_DEFAULT_DEADLINE_S).
    """
    single = len(paths) == 1 and (paths[0] == _STDIN or paths[0].is_file())
    try:
        question = Question(version=version, version_label=version_label, explain=explain_dir is not None)
        total, others = _count(paths)
    except (ValueError, OSError) as err:
        raise click.UsageError(str(err)) from err
    explanations = ExplanationFolder(explain_dir, paths) if explain_dir else None
    with connected(address, timeout_s) as client, ProgressBar(total, shown=not single) as bar:
        printer = Printer(bar, as_json=as_json, with_path=not single, explanations=explanations)
        answers = _one(client, paths[0], question) if single else Bulk(client, paths, question, timeout_s).answers()
        for answer in answers:
            printer.show(answer)
    if others:
        click.echo(f"files left out, without the suffix of an image (see --help): {others}", err=True)
    raise click.exceptions.Exit(1 if printer.failed else 0)


def _one(client: Client, path: Path, question: Question) -> Iterator[Answer]:
    begin_s = time.perf_counter()
    try:
        outcome: Outcome = client.predict(sys.stdin.buffer.read() if path == _STDIN else path, **asdict(question))
    except ServiceError as err:
        if err.unreached:
            raise
        outcome = err
    except OSError as err:
        outcome = err
    yield Answer(path, outcome, time.perf_counter() - begin_s)


def _count(paths: Sequence[Path]) -> tuple[int, int]:
    if _STDIN in paths and len(paths) > 1:
        raise ValueError("- is the one image on stdin, and goes with no other path")
    images, others = count_images(paths)
    if images == 0:
        folders = ", ".join(map(click.format_filename, paths))
        raise ValueError(f"no images below {folders}: there they have one of the suffixes {SUFFIXES}")
    return images, others
