"""Progress of a command, on a terminal."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tqdm import tqdm


@contextmanager
def bar_of(unit: str) -> Iterator[Callable[[int, int], None]]:
    """Shows a bar while the context lasts; it yields what to call with how much is done, and of how much."""
    with tqdm(unit=unit, disable=None) as bar:

        def advance(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield advance
