"""What several commands have in common."""

import dataclasses

import click

from trainer.architectures import ARCHITECTURES, DEFAULT_ARCHITECTURE
from trainer.jobs.orders import DEFAULT_ORDER, MAX_EPOCHS, MAX_SEED

DEFAULT_SEED = DEFAULT_ORDER.seed
SEEDS = click.IntRange(0, MAX_SEED)
ARCHITECTURE_HELP = f"One of {', '.join(ARCHITECTURES)}; by default {DEFAULT_ARCHITECTURE}."
EPOCHS = click.IntRange(0, MAX_EPOCHS)


def show(record: object) -> None:
    """Writes the figures of a dataclass, one in a line."""
    for name, value in dataclasses.asdict(record).items():  # type: ignore[call-overload]  # both records are dataclasses
        click.echo(f"{name:>16}  {value:.4f}" if isinstance(value, float) else f"{name:>16}  {value}")
