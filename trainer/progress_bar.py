"""Progress of a command, on a terminal."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tqdm import tqdm

OnProgress = Callable[[int, int], None]
"""Called with how much is done, and of how much."""


@contextmanager
def bar_of(unit: str) -> Iterator[OnProgress]:
    """Shows a bar while the context lasts, and yields what moves it."""
    with tqdm(unit=unit, disable=None) as bar:

        def advance(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield advance
