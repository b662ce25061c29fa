"""How much of something each caller has at a time."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from gateway import caller


class Tally:
    """Counts for the caller of the call that the running task works for; of those who have nothing it keeps nothing."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def own(self) -> int:
        """Returns how much the present caller has."""
        return self._counts[caller.current.get()]

    @contextmanager
    def one_more(self) -> Iterator[None]:
        """Has the present caller have one more for as long as the block lasts."""
        name = caller.current.get()
        self._counts[name] += 1
        try:
            yield
        finally:
            self._counts[name] -= 1
            if not self._counts[name]:
                del self._counts[name]
