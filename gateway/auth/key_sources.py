"""Where public keys come from: a file, or a URL."""

import asyncio
import logging
import time
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from braintumor.loopback import is_loopback

from gateway.auth.download import download
from gateway.auth.signing_keys import SigningKey, parse_keys
from gateway.errors import KeysUnavailableError
from transport.watched import UnusableFileError, Watched

_AGE_S = 300.0
"""After so long the keys are fetched again."""
_PAUSE_S = 10.0
"""Least time between two fetches, whatever tokens come."""
_TIMEOUT_S = 5.0

_logger = logging.getLogger(__name__)


class KeySource(Protocol):
    """Public keys that change now and then."""

    async def current(self) -> tuple[SigningKey, ...]:
        """Returns the keys: the same object until they have changed."""

    async def renewed(self) -> tuple[SigningKey, ...]:
        """Returns the keys after another look at them, for a token whose key is not among them."""


class KeyFile:
    """Keys of a file, which is followed."""

    def __init__(self, path: Path) -> None:
        self._keys = Watched([path], lambda: parse_keys(path.read_bytes(), str(path)))

    async def current(self) -> tuple[SigningKey, ...]:
        """Returns the keys."""
        return self._keys.get()

    renewed = current


class KeyUrl:
    """Keys of a JWKS URL, fetched beside the event loop and never by two calls at a time.

    Keys that are known stay as long as no others can be had.

    Args:
      url: https; plain http on loopback only.
      clock: seconds that only grow.

    Raises:
      UnusableFileError: the URL is none of these.
    """

    def __init__(self, url: str, clock: Callable[[], float] = time.monotonic) -> None:
        parts = urlsplit(url)
        if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.netloc)):
            raise UnusableFileError(f"{url} is no https URL, and keys that anybody can change on the way prove nothing")
        self._url = url
        self._clock = clock
        self._keys: tuple[SigningKey, ...] = ()
        self._asked_s = float("-inf")
        self._fetching: asyncio.Task[None] | None = None

    async def current(self) -> tuple[SigningKey, ...]:
        """Returns the keys. Waits for them only where there are none yet.

        Raises:
          KeysUnavailableError: they were never had.
        """
        if not self._keys:
            await self.renewed()
        elif self._clock() - self._asked_s > _AGE_S:
            self._fetch()
        if not self._keys:
            raise KeysUnavailableError("The keys by which tokens are checked cannot be had at the moment.")
        return self._keys

    async def renewed(self) -> tuple[SigningKey, ...]:
        """Returns the keys, fetched again unless that has just been done."""
        if self._fetching or self._clock() - self._asked_s > _PAUSE_S:
            await asyncio.shield(self._fetch())
        return self._keys

    def _fetch(self) -> asyncio.Task[None]:
        if self._fetching is None:
            self._asked_s = self._clock()
            self._fetching = asyncio.create_task(self._try())
        return self._fetching

    async def _try(self) -> None:
        try:
            self._keys = parse_keys(await download(self._url, _TIMEOUT_S), self._url)
        except (OSError, HTTPException, ValueError) as err:
            _logger.error("keys cannot be fetched", extra={"url": self._url, "problem": str(err)})
        finally:
            self._fetching = None
