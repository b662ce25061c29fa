"""Replicas of serving that refuse models.config, and would go on to."""

import logging
from collections.abc import Mapping
from functools import partial
from typing import Any

from tfserving_api.messages import ModelServerConfig
from trainer.errors import ServingUnavailableError
from trainer.rollout.files import RolloutFiles
from trainer.rollout.serving_client import ServingClient, VersionState, VersionStatus
from trainer.rollout.serving_fleet import ServingFleet
from trainer.rollout.state import CANARY, STABLE
from trainer.settings import TrainerSettings
from transport.background import every

_LOOK_S = 5.0
"""Longer than a replica takes to begin with what models.config lists: one that lacks it in two looks is stranded."""

_GONE = VersionStatus(VersionState.END)

_logger = logging.getLogger(__name__)


class StrandedReplicas:
    """Has replicas load what models.config lists where they refuse it, as it moves a label to what they do not hold.

    A replica whose machine slept through a rollout, or could not read its disk, finds a config with a label that leads
    to a version which it does not hold. It refuses that as a whole, and so never loads the version. It is sent the
    same config with its labels as they are, and takes the file's when it has loaded what that lists.

    Args:
      settings: say where models.config is.
      serving: all replicas.
    """

    def __init__(self, settings: TrainerSettings, serving: ServingFleet) -> None:
        self._files = RolloutFiles(settings)
        self._serving = serving
        self._told: dict[str, Any] = {}
        """For each replica that lacked something at the last look what it was sent; None where that was the first."""

    async def keep(self) -> None:
        """Goes on until it is cancelled."""
        await every(_LOOK_S, self.step)

    async def step(self) -> None:
        """Looks once; ServingRefusedError where a replica takes no config."""
        try:
            replicas = await self._serving.replicas()
        except ServingUnavailableError:  # there is none
            return
        listed = self._files.listed()
        seen = await self._serving.each(ServingClient.statuses, replicas)
        lacking = {replica for replica, statuses in seen.items() if not _begun(listed, statuses)}
        # Not at the first look that finds it lacking, nor once it was sent the same.
        stranded = {replica for replica in lacking if self._told.get(replica, listed) != listed}
        self._told = {replica: self._told.get(replica) for replica in lacking}
        for replica in await self._serving.each(partial(_load, listed), stranded):
            self._told[replica] = listed  # once: it looks for what is not on its disk by itself
            _logger.warning("stranded replica told to load what it lacks", extra={"replica": replica})


def _begun(listed: Any, statuses: Mapping[int, VersionStatus]) -> bool:
    """Whether a replica holds each version that is listed, comes to it, or has failed at it."""
    versions = listed.model_version_policy.specific.versions
    return all(statuses.get(version, _GONE) not in {VersionStatus(), _GONE} for version in versions)


async def _load(listed: Any, replica: ServingClient) -> None:
    config = ModelServerConfig()
    model = config.model_config_list.config.add()
    model.CopyFrom(listed)
    model.version_labels.clear()
    for label in (STABLE, CANARY):
        if (version := await replica.version_labelled(label)) is not None:
            model.version_labels[label] = version
            if version not in model.model_version_policy.specific.versions:
                model.model_version_policy.specific.versions.append(version)
    await replica.reload(config)
