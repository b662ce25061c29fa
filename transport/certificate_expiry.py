"""When the certificate of a port ends: nobody gets a connection from then on."""

import itertools
import logging
import time
from collections.abc import Callable

from transport.background import every
from transport.server_tls import FollowedTls

_LOOK_S = 60.0
_NEAR_S = 14 * 24 * 3600.0
"""Before its end, in which a certificate should have been renewed."""
_LOOKS_A_DAY = 24 * 60

_logger = logging.getLogger(__name__)


async def watch_expiry(tls: FollowedTls | None, note: Callable[[float], None]) -> None:
    """Looks each minute at the certificate that connections get, and warns in the log of its end once a day.

    Args:
      tls: None for plain text, whose watch ends at once.
      note: called with the end, in seconds since the epoch.
    """
    if tls is not None:
        await every(_LOOK_S, _Watch(tls, note).step)


class _Watch:
    def __init__(self, tls: FollowedTls, note: Callable[[float], None]) -> None:
        self._tls = tls
        self._note = note
        self._looks = itertools.count()

    async def step(self) -> None:
        expiry_s = self._tls.expiry_s()
        self._note(expiry_s)
        if next(self._looks) % _LOOKS_A_DAY == 0 and expiry_s < time.time() + _NEAR_S:
            left_h = round((expiry_s - time.time()) / 3600)
            _logger.warning("certificate ends soon", extra={"file": str(self._tls.certificate), "hours_left": left_h})
