"""`python -m trainer synthetic-slice`: draws a slice."""

from pathlib import Path

import click

from trainer.commands.options import SEEDS

_SEED = 618
"""Of slices that the shipped version takes for its own kind, with a lesion and without."""


@click.command()
@click.argument("path", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--seed", type=SEEDS, default=_SEED, show_default=True, help="The same seed draws the same slice.")
@click.option("--lesion", is_flag=True, help="With a bright lesion.")
def synthetic_slice(path: Path, seed: int, lesion: bool) -> None:
    """Draws a made-up slice, to try the service with. PATH is relative to the working directory.

    The shipped version takes those of most other seeds for out of domain: no training slice is made up.
    """
    from PIL import Image

    from trainer.data import synthetic

    try:
        Image.fromarray(synthetic.synthetic_slice(seed, lesion)[..., 0]).save(path)
    except (KeyError, ValueError) as err:  # Pillow does not know the suffix, or only how to read such files
        raise click.UsageError(f"give {click.format_filename(path)} a suffix such as .png") from err
    except OSError as err:
        raise click.FileError(click.format_filename(path), err.strerror or str(err)) from err
    click.echo(f"drew {path}")
