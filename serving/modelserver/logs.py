"""Lines of the log on stderr."""

import logging
import time

_REPEAT_S = 60.0


def configure() -> None:
    """Sends all records from INFO upwards to stderr, and no warning twice within a minute."""
    handler = logging.StreamHandler()
    handler.addFilter(_Repeats())
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname).1s %(name)s: %(message)s", handlers=[handler]
    )


class _Repeats(logging.Filter):
    """Drops what was just told: a poll finds the same things missing each second."""

    def __init__(self) -> None:
        super().__init__()
        self._told_s: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno < logging.WARNING or record.exc_info:
            return True
        now_s = time.monotonic()
        self._told_s = {line: told_s for line, told_s in self._told_s.items() if now_s - told_s < _REPEAT_S}
        return self._told_s.setdefault(record.getMessage(), now_s) == now_s
