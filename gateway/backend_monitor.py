"""Keeps up with serving and trainer, and has the health service say how they are."""

import asyncio
from collections.abc import Collection

from gateway.backend.canary import Canary
from gateway.backend.fleet import Fleet
from gateway.backend.trainer_client import TrainerClient
from gateway.backend.versions import CANARY, LATEST, STABLE, Versions
from gateway.errors import ModelFailedError
from gateway.telemetry.metrics import BACKEND_READY, LAST_LOOK, SERVED_VERSION, inferences, predictions
from gateway.verdict import KINDS
from transport.background import every
from transport.health_service import HealthService

_INTERVAL_S = 1.0


class BackendMonitor:
    """Looks at both once a second.

    Args:
      fleet: the replicas of serving.
      versions: what is seen of serving.
      trainer: what is seen of the trainer.
      canary: gets its share from the trainer.
      health: of the gateway's services.
      serving_services: those whose health follows serving.
      trainer_services: those whose health follows the trainer.
    """

    def __init__(
        self,
        fleet: Fleet,
        versions: Versions,
        trainer: TrainerClient,
        canary: Canary,
        health: HealthService,
        serving_services: Collection[str],
        trainer_services: Collection[str],
    ) -> None:
        self._fleet = fleet
        self._versions = versions
        self._trainer = trainer
        self._canary = canary
        self._health = health
        self._serving_services = serving_services
        self._trainer_services = trainer_services

    async def run(self) -> None:
        """Looks until it is cancelled. No look waits for another."""
        looks = (self._fleet.step, self.look_at_serving, self.look_at_trainer)
        await asyncio.gather(*(every(_INTERVAL_S, look) for look in looks))

    async def now(self) -> None:
        """Looks once, for a caller who has just changed what answers: their next call is to find it so."""
        await self.look_at_serving()
        await self.look_at_trainer()

    async def look_at_serving(self) -> None:
        """Learns which versions answer."""
        await self._versions.step()
        for service in self._serving_services:
            self._health.set(service, self._versions.ready)
        BACKEND_READY.labels("serving").set(self._versions.ready)
        for label in (STABLE, CANARY, LATEST):
            version = self._versions.served.get(label)
            SERVED_VERSION.labels(label or "latest").set(version.version if version else 0)
            if version is not None:
                _begin_counts(version.version)
        LAST_LOOK.set_to_current_time()

    async def look_at_trainer(self) -> None:
        """Learns whether the trainer answers, and how much the canary gets."""
        is_serving = await self._trainer.is_serving()
        for service in self._trainer_services:
            self._health.set(service, is_serving)
        BACKEND_READY.labels("trainer").set(is_serving)
        await self._canary.step()


def _begin_counts(version: int) -> None:
    """Has the counts of a version's answers there before the first, so that its step shows."""
    for kind in KINDS:
        predictions(version, *kind)
    for outcome in ("OK", ModelFailedError.reason):
        inferences(version, outcome)
