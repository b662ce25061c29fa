"""Public keys of an issuer that has them at a URL."""

import asyncio
import logging
import re
import time
from collections.abc import Callable
from urllib.parse import urlsplit

from aiohttp import ClientError
from braintumor.loopback import is_loopback

from gateway.auth.download import download
from gateway.auth.signing_keys import SigningKey, parse_keys
from gateway.errors import KeysUnavailableError
from gateway.telemetry.metrics import note_files
from transport.watched import UnusableFileError

_AGE_S = 300.0
"""After so long the keys are fetched again, while those that are known go on."""
_LONG_S = 2 * _AGE_S
"""After so long without a look, as in a night without calls, they are waited for: some may have been struck out."""
_PAUSE_S = 10.0
"""Least time between the beginnings of two fetches, whatever tokens come."""
_TIMEOUT_S = 5.0
_PASSWORD = re.compile(r"(?<=//)[^/?#]*@")
_UNAVAILABLE = "The keys by which tokens are checked cannot be had at the moment."

_logger = logging.getLogger(__name__)


class KeyUrl:
    """Keys of a JWKS URL, fetched by a task of their own, whichever calls wait for it.

    Keys that are known stay as long as no others can be had. Logs and metrics have the URL without user and password.

    Args:
      url: https; plain http on loopback only.
      clock: seconds that only grow.

    Raises:
      UnusableFileError: the URL is none of these.
    """

    def __init__(self, url: str, clock: Callable[[], float] = time.monotonic) -> None:
        if not _is_protected(url):
            # Without the URL, since what is none may hold a password anywhere.
            raise UnusableFileError(
                "GATEWAY_JWT__KEYS is no https URL, and keys that anybody can change on the way prove nothing"
            )
        self._url = url
        self._name = _PASSWORD.sub("", url)
        self._clock = clock
        self._keys: tuple[SigningKey, ...] = ()
        self._failed = False
        self._looked_s = float("-inf")
        """When the last fetch that has ended began, whether or not it brought keys: newer ones may have come since."""
        self._fetching: asyncio.Task[None] | None = None

    async def current(self) -> tuple[SigningKey, ...]:
        """Returns the keys. Waits for a fetch only where there are none, or the last one was long ago.

        Raises:
          KeysUnavailableError: they were never had.
        """
        unseen_s = self._clock() - self._looked_s
        if not self._keys or unseen_s > _LONG_S:
            await self._look()
        elif unseen_s > (_PAUSE_S if self._failed else _AGE_S):
            self._fetch()
        if not self._keys:
            raise KeysUnavailableError(_UNAVAILABLE)
        return self._keys

    async def renewed(self) -> tuple[SigningKey, ...]:
        """Returns the keys, fetched again unless that has just been done.

        Raises:
          KeysUnavailableError: the last fetch failed, so that there may be keys that are not known here.
        """
        await self._look()
        if self._failed:
            raise KeysUnavailableError(_UNAVAILABLE)
        return self._keys

    async def _look(self) -> None:
        if self._fetching or self._clock() - self._looked_s > _PAUSE_S:
            await asyncio.shield(self._fetch())

    def _fetch(self) -> asyncio.Task[None]:
        if self._fetching is None:
            self._fetching = asyncio.create_task(self._try())
        return self._fetching

    async def _try(self) -> None:
        self._failed, begun_s = True, self._clock()
        try:
            self._keys = parse_keys(await download(self._url, _TIMEOUT_S), self._name)
            self._failed = False
        except (ClientError, OSError, ValueError) as err:
            _logger.error("keys cannot be fetched", extra={"url": self._name, "problem": str(err)})
        finally:
            self._looked_s = begun_s
            note_files(self._name, self._failed)
            self._fetching = None


def _is_protected(url: str) -> bool:
    """Tells whether nobody can change on its way what comes from a URL; False also where it is none."""
    try:
        parts = urlsplit(url)
        whole = bool(parts.hostname) and parts.port != 0
    except ValueError:  # brackets without an end, a port that is no number
        return False
    return whole and (parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or "")))
