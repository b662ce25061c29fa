"""Which calls a canary gets."""

import asyncio
import hashlib
import logging
import random
from collections.abc import Callable, Mapping
from typing import Protocol

from gateway.backend.served_version import ServedVersion
from gateway.backend.versions import CANARY
from gateway.errors import TrainerUnavailableError

ROUTING_KEY = "x-routing-key"
"""Metadata key under which callers name what shall stick to one version, such as a patient or a ward."""

_logger = logging.getLogger(__name__)


class View(Protocol):
    """What knows the versions that serving holds. See Versions."""

    @property
    def served(self) -> Mapping[str, ServedVersion]:
        """Versions by label."""


class Shares(Protocol):
    """What knows how much a canary gets. See TrainerClient."""

    async def canary_percent(self, version: int) -> float:
        """Returns the share of a version in percent; raises TrainerUnavailableError."""


class Canary:
    """Chooses between the version labelled "canary" and the default one.

    Serving says which version is the canary, the trainer says how much it gets: a `step` each second asks for it.
    While the trainer is away the last share stays.

    Args:
      view: of serving.
      shares: of the trainer.
      draw: uniform in [0, 1), for calls without a routing key.
    """

    def __init__(self, view: View, shares: Shares, draw: Callable[[], float] = random.random) -> None:
        self._view = view
        self._shares = shares
        self._draw = draw
        self._version = 0
        self._percent = 0.0
        self._learning = asyncio.Lock()

    async def step(self) -> None:
        """Learns the share of the present canary, after those that began earlier: what these learn may be older."""
        async with self._learning:
            await self._learn()

    async def _learn(self) -> None:
        version = self._present.version if self._present else 0
        try:
            percent = await self._shares.canary_percent(version) if version else 0.0
        except TrainerUnavailableError:
            return
        if (version, percent) != (self._version, self._percent):
            _logger.info("canary changed", extra={"model_version": version, "percent": percent})
        self._version, self._percent = version, percent

    def version_for(self, routing_key: str) -> ServedVersion | None:
        """Returns the canary where it shall answer a call that names no version; None where the default one shall.

        Calls of one key all go the same way, in every gateway, as long as canary and share stay. Where the share
        grows, keys only come over to the canary.

        Args:
          routing_key: chosen by the caller; empty for none.
        """
        present = self._present
        if present is None or present.version != self._version:
            return None
        place = _place(present.version, routing_key) if routing_key else self._draw()
        return present if place * 100 < self._percent else None

    @property
    def _present(self) -> ServedVersion | None:
        return self._view.served.get(CANARY)


def _place(version: int, routing_key: str) -> float:
    """Returns where a key lies in [0, 1): uniform over keys, and for each version anew."""
    digest = hashlib.blake2b(f"{version}/{routing_key}".encode(), digest_size=6).digest()
    return int.from_bytes(digest) / 2**48
