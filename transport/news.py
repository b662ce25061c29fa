"""What is looked at again and again, and told once."""


class News:
    """Remembers what the last look found wrong."""

    def __init__(self) -> None:
        self._last = ""

    def is_news(self, problem: str) -> bool:
        """Takes note of what a look found, "" where all is well; tells whether it is a problem that is new."""
        last, self._last = self._last, problem
        return problem not in {"", last}
