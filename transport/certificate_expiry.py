"""When the certificates of a process end, of its port and of its calls: no connection is made from then on."""

import asyncio
import itertools
import logging
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Protocol

from transport.background import every

_LOOK_S = 60.0
_NEAR_S = 14 * 24 * 3600.0
"""Before its end, in which a certificate should have been renewed."""
_LOOKS_A_DAY = 24 * 60

_logger = logging.getLogger(__name__)


class Followed(Protocol):
    """What new connections get of some files."""

    @property
    def certificate(self) -> Path | None:
        """The file of the certificate; None where there is none."""

    def expiry_s(self) -> float:
        """Returns when the certificate ends, in seconds since the epoch."""


async def watch_expiry(followed: Iterable[Followed | None], note: Callable[[str, float], None]) -> None:
    """Looks each minute at the certificates that connections get, and warns in the log of their ends once a day.

    Args:
      followed: None for plain text; where there is no certificate, the watch ends at once.
      note: called with the file of a certificate, and its end in seconds since the epoch.
    """
    watches = [_Watch(each, each.certificate, note) for each in followed if each and each.certificate]
    await asyncio.gather(*(every(_LOOK_S, watch.step) for watch in watches))


class _Watch:
    def __init__(self, tls: Followed, certificate: Path, note: Callable[[str, float], None]) -> None:
        self._tls = tls
        self._file = str(certificate)
        self._note = note
        self._looks = itertools.count()

    async def step(self) -> None:
        expiry_s = self._tls.expiry_s()
        self._note(self._file, expiry_s)
        if next(self._looks) % _LOOKS_A_DAY == 0 and expiry_s < time.time() + _NEAR_S:
            left_h = round((expiry_s - time.time()) / 3600)
            _logger.warning("certificate ends soon", extra={"file": self._file, "hours_left": left_h})
