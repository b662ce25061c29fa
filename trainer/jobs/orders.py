"""Orders: what callers leave out is filled in, what they got wrong is refused."""

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from trainer.architectures import DEFAULT_ARCHITECTURE, architecture_named
from trainer.errors import InvalidFieldError
from trainer.jobs.operation import Order
from trainer.paths import MANIFEST, inside, require_name
from trainer.settings import TrainerSettings

MAX_EPOCHS = 1000
MAX_SEED = 2**32 - 1

DEFAULT_ORDER = Order(
    image_dir="raw/images",
    target_dir="raw",
    target_file="BrainTumor.csv",
    data_dir="processed",
    npz_filename="data.npz",
    architecture=DEFAULT_ARCHITECTURE,
    epochs=0,
    seed=1,
    force=False,
)
"""What an empty request asks for; 0 epochs stand for the architecture's own number."""


def completed(order: Order) -> Order:
    """Fills in what is empty or 0, and checks numbers, names and architecture.

    Raises:
      InvalidFieldError, UnknownArchitectureError: the first field that is wrong.
    """
    given = {name: getattr(order, name) for name in Order.__slots__ if getattr(order, name)}
    full = replace(DEFAULT_ORDER, **given)
    architecture = architecture_named(full.architecture)
    if not 0 <= full.epochs <= MAX_EPOCHS:
        raise InvalidFieldError(
            f"epochs is {full.epochs}, outside [1, {MAX_EPOCHS}]; leave it out for the architecture's own", "epochs"
        )
    if not 0 <= full.seed <= MAX_SEED:
        raise InvalidFieldError(f"seed is {full.seed}, outside [0, {MAX_SEED}]", "seed")
    require_name(full.target_file, "target_file")
    check_npz_filename(full.npz_filename)
    return replace(full, epochs=full.epochs or architecture.recipe.epochs)


def check_npz_filename(name: str) -> None:
    """Checks the name of a data set, of a job or by hand.

    Raises:
      InvalidFieldError: it is no name of a file, or has another suffix than ".npz".
    """
    require_name(name, "npz_filename")
    if not name.endswith(".npz"):
        raise InvalidFieldError('npz_filename must end in ".npz"', "npz_filename")


def check_targets(data_set: Path, source: Path, splits: Collection[Path] = ()) -> None:
    """Checks that a data set, of a job or by hand, can be written, and over no other file of the same build.

    Args:
      data_set: its file; MANIFEST comes beside it.
      source: the label file, or the archive, that it is made of.
      splits: the files of its splits, where it might be written over one of them.

    Raises:
      InvalidFieldError: the first field that is wrong.
      OSError: a path cannot be read.
    """
    written = [data_set, data_set.with_name(MANIFEST)]
    for path in written:
        overwrites = path.exists() and source.exists() and path.samefile(source)
        _require(not overwrites, "the data set would be written over what it is made of", "data_dir")
        _require(not path.is_dir(), f"{path.name} is a directory where a file would be written", "npz_filename")
    is_split = data_set.resolve() in {path.resolve() for path in splits}
    _require(not is_split, "the data set would be written over one of its splits", "npz_filename")
    is_free = next(place for place in data_set.resolve().parents if place.exists()).is_dir()
    _require(is_free, "data_dir names a file, or a place in one", "data_dir")


def is_archive(order: Order) -> bool:
    """Tells whether images and labels come from a zip archive."""
    return order.image_dir.lower().endswith(".zip")


def check_paths(order: Order, settings: TrainerSettings) -> None:
    """Checks where the paths of a completed order lead, and that there is something to read.

    Raises:
      InvalidFieldError: the first field that is wrong.
    """
    root = settings.data_root
    images = inside(root, order.image_dir, "image_dir")
    labels = inside(root, order.target_dir, "target_dir") / order.target_file
    data_set = inside(root, order.data_dir, "data_dir") / order.npz_filename
    inside(root, str(Path(order.target_dir, order.target_file)), "target_file")
    inside(root, str(Path(order.data_dir, order.npz_filename)), "npz_filename")
    if any(data_set.is_relative_to(own.resolve()) for own in settings.own_places):
        raise InvalidFieldError(f"data_dir {order.data_dir!r} is the trainer's own; choose another one", "data_dir")
    try:
        if is_archive(order):
            _require(images.is_file(), f"there is no archive {order.image_dir!r} under the data root", "image_dir")
        else:
            _require(images.is_dir(), f"there is no directory {order.image_dir!r} under the data root", "image_dir")
            _require(labels.is_file(), f"there is no file {order.target_file!r} in target_dir", "target_file")
        check_targets(data_set, images if is_archive(order) else labels)
    except OSError as err:
        raise InvalidFieldError(f"a path cannot be read: {err.strerror}", "image_dir") from err


def _require(condition: bool, message: str, field: str) -> None:
    if not condition:
        raise InvalidFieldError(message, field)
