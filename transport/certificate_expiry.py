"""When the certificate of a port ends: nobody gets a connection from then on."""

import asyncio
import logging
import time
from collections.abc import Callable

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
    looks = 0
    while tls is not None:
        expiry_s = tls.expiry_s()
        note(expiry_s)
        if expiry_s < time.time() + _NEAR_S and looks % _LOOKS_A_DAY == 0:
            left_h = round((expiry_s - time.time()) / 3600)
            _logger.warning("certificate ends soon", extra={"file": str(tls.certificate), "hours_left": left_h})
        looks += 1
        await asyncio.sleep(_LOOK_S)
