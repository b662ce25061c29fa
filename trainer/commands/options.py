"""What several commands have in common."""

import dataclasses
from collections.abc import Callable
from typing import Any, TypeVar

import click

from trainer.architectures import ARCHITECTURES, DEFAULT_ARCHITECTURE
from trainer.jobs.orders import DEFAULT_ORDER, MAX_EPOCHS, MAX_SEED

_Command = TypeVar("_Command", bound=Callable[..., Any])

SEEDS = click.IntRange(0, MAX_SEED)

architecture = click.option(
    "--architecture", default="", help=f"One of {', '.join(ARCHITECTURES)}; by default {DEFAULT_ARCHITECTURE}."
)
epochs = click.option(
    "--epochs", type=click.IntRange(0, MAX_EPOCHS), default=0, help="By default the architecture's own number."
)
data_dir = click.option(
    "--data-dir", default=DEFAULT_ORDER.data_dir, show_default=True, help="Directory of the data set."
)
npz_filename = click.option(
    "--npz-filename", default=DEFAULT_ORDER.npz_filename, show_default=True, help="File of the data set."
)


def seed(help_text: str) -> Callable[[_Command], _Command]:
    """Makes the option of a seed; its help says what is drawn with it."""
    return click.option("--seed", type=SEEDS, default=DEFAULT_ORDER.seed, show_default=True, help=help_text)


def show(record: object) -> None:
    """Writes the figures of a dataclass, one in a line."""
    for name, value in dataclasses.asdict(record).items():  # type: ignore[call-overload]  # both records are dataclasses
        click.echo(f"{name:>16}  {value:.4f}" if isinstance(value, float) else f"{name:>16}  {value}")
