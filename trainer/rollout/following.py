"""Waits until serving has done what models.config says."""

import asyncio
import logging
from pathlib import Path
from typing import Protocol

from trainer.errors import RolloutError, ServingUnavailableError
from trainer.rollout.replay import Predicting, replay
from trainer.rollout.serving_client import VersionState, VersionStatus
from trainer.rollout.state import CANARY, STABLE, RolloutState
from trainer.versions import require_version

_POLL_S = 0.05
_BELIEVE_AFTER_S = 5.0
"""Serving needs up to a second to read the config, and another to find the version."""

_AWAY_S = 15.0
"""Longer than a restart of serving takes. Beyond it, the version that it should load may be what keeps it down."""

_HELD = {VersionState.START, VersionState.LOADING, VersionState.AVAILABLE, VersionState.UNLOADING}

_logger = logging.getLogger(__name__)


class Serving(Predicting, Protocol):
    """A serving, or all replicas of one, as ServingClient and ServingFleet ask them; their methods tell more."""

    async def statuses(self) -> dict[int, VersionStatus]:
        """Returns the state of every version that it has ever seen."""

    async def version_labelled(self, label: str) -> int | None:
        """Returns the version that a label leads to."""


class Following:
    """Looks at serving until it has followed. Whoever waits says for how long.

    Args:
      model_dir: of the versions.
      serving: that is to follow.
    """

    def __init__(self, model_dir: Path, serving: Serving) -> None:
        self._model_dir = model_dir
        self._serving = serving

    async def let_go(self, version: int, state: RolloutState) -> VersionStatus:
        """Waits until a version that was dropped a moment ago has left serving: it must not be taken for loaded.

        While nothing has been decided serving takes the newest version, and rightly so.

        Returns:
          How it left.
        """
        status = VersionStatus()
        while True:
            try:
                status = await self._status(version)
            except ServingUnavailableError:  # who is away holds nothing
                return status
            if not state.loaded or version in state.loaded or status.state not in _HELD:
                return status
            await asyncio.sleep(_POLL_S)

    async def available(self, version: int, failed_before: VersionStatus) -> None:
        """Waits until a version that models.config lists is loaded.

        Args:
          version: number of it.
          failed_before: how it left, as of let_go.

        Raises:
          ModelVersionNotFoundError: somebody has removed it by hand.
          RolloutError: it does not load.
          ServingUnavailableError: serving stays away.
        """
        # Serving remembers for life how a version ended. That it failed is news only if it differs from what was
        # known, or if serving has had the time to try again.
        clock = asyncio.get_running_loop().time
        believe_at, seen_at = clock() + _BELIEVE_AFTER_S, clock()
        while True:
            require_version(self._model_dir, version)
            try:
                status = await self._status(version)
                seen_at = clock()
            except ServingUnavailableError:
                if clock() > seen_at + _AWAY_S:
                    raise
                status = VersionStatus()
            if status.state is VersionState.AVAILABLE:
                return
            if status.error and (status != failed_before or clock() >= believe_at):
                # Serving's own words hold paths and parts of the graph: they are for whoever runs it.
                _logger.warning("version not loaded", extra={"model_version": version, "problem": status.error})
                raise RolloutError(f"version {version} does not load in serving; the trainer's log tells why")
            if status.state in {VersionState.START, VersionState.LOADING}:
                failed_before = VersionStatus()
            await asyncio.sleep(_POLL_S)

    async def _status(self, version: int) -> VersionStatus:
        return (await self._serving.statuses()).get(version, VersionStatus())

    async def prove(self, version: int) -> None:
        """Has a loaded version answer its golden requests; raises RolloutError where it answers otherwise."""
        while True:
            try:
                reasons = await replay(self._serving, self._model_dir / str(version), version)
            except ServingUnavailableError:  # it left in between: wait for its return
                await asyncio.sleep(_POLL_S)
                await self.available(version, VersionStatus())
            else:
                break
        if reasons:
            raise RolloutError(f"version {version} does not answer as in training: {'; '.join(reasons)}")

    async def followed(self, state: RolloutState) -> None:
        """Waits until labels lead where a state says."""
        while not await self._agrees_with(state):  # noqa: ASYNC110  what is waited for happens in another process
            await asyncio.sleep(_POLL_S)

    async def _agrees_with(self, state: RolloutState) -> bool:
        try:
            found = {label: await self._serving.version_labelled(label) for label in (STABLE, CANARY)}
        except ServingUnavailableError:
            return False
        return all(found[label] == state.labels.get(label) for label in found)
