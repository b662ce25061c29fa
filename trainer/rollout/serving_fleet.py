"""All replicas of a TensorFlow Serving, asked as one."""

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Any, TypeVar

from tfserving_api.addresses import resolve
from trainer.errors import ServingUnavailableError
from trainer.rollout.serving_client import AWAY, ServingClient, VersionState, VersionStatus
from transport.peer_tls import FollowedPeerTls, connect

_RESOLUTION_S = 2.0
_GONE = {VersionState.UNKNOWN, VersionState.END}

_T = TypeVar("_T")


class ServingFleet:
    """One model of every replica that can be reached: a version is AVAILABLE when it is in all of them.

    That has to be known before a label is moved. A config with a label whose version is not available fails as a
    whole: a replica that was late would keep the old label, and load nothing more. Those that cannot be reached, or
    whose name leads nowhere, do not count. At their start they take the labels as they find them; StrandedReplicas
    helps those that were away without starting again.

    Which replicas there are is looked up for each question, on channels of its own: they come and go.

    Args:
      addresses: as `tfserving_api.addresses.resolve` takes them.
      model_name: of the model in serving.
      tls: of all replicas; None is plain text.
    """

    def __init__(self, addresses: str, model_name: str, tls: FollowedPeerTls | None = None) -> None:
        self._addresses = addresses
        self._tls = tls
        self._model_name = model_name

    async def statuses(self) -> dict[int, VersionStatus]:
        """Returns the state of every version that any replica has ever seen.

        One that is in some replicas only is LOADING, and one that failed in any of them is END with its error.

        Raises:
          ServingUnavailableError, ServingRefusedError: as of ServingClient; the former where no replica answers.
        """
        answers = await self._all(ServingClient.statuses)
        versions = sorted(set().union(*answers))
        return {version: _shared([answer.get(version, VersionStatus()) for answer in answers]) for version in versions}

    async def version_labelled(self, label: str) -> int | None:
        """Returns the version that a label leads to in all replicas; None where it leads to none.

        Raises:
          ServingUnavailableError: also where they differ at the moment.
          ServingRefusedError: as of ServingClient.
        """
        found = set(await self._all(lambda replica: replica.version_labelled(label)))
        if len(found) > 1:
            raise ServingUnavailableError(f"replicas of serving differ in the label {label}; try again")
        return found.pop()

    async def predict(self, request: Any, version: int) -> Any:
        """Plays a PredictRequest to one replica, another one each time. Raises as ServingClient's."""
        async with connect(random.choice(await self.replicas()), self._tls) as channel:  # noqa: S311 no secret
            return await ServingClient(channel, self._model_name).predict(request, version)

    async def each(
        self, question: Callable[[ServingClient], Awaitable[_T]], replicas: Collection[str]
    ) -> dict[str, _T]:
        """Asks some replicas; returns the answers by address, without those that cannot be reached.

        Raises:
          ServingRefusedError: as of ServingClient.
        """
        answers: dict[str, _T] = {}

        async def ask(replica: str) -> None:
            async with connect(replica, self._tls) as channel:
                with contextlib.suppress(ServingUnavailableError):
                    answers[replica] = await question(ServingClient(channel, self._model_name))

        await asyncio.gather(*map(ask, replicas))
        return answers

    async def replicas(self) -> Sequence[str]:
        """Returns the addresses of all; ServingUnavailableError where its name leads nowhere at the moment."""
        replicas = await resolve(self._addresses, _RESOLUTION_S)
        if not replicas:
            raise ServingUnavailableError("the name of serving leads nowhere at the moment; try again")
        return sorted(replicas)

    async def _all(self, question: Callable[[ServingClient], Awaitable[_T]]) -> Collection[_T]:
        answers = await self.each(question, await self.replicas())
        if not answers:
            raise ServingUnavailableError(AWAY)
        return answers.values()


def _shared(statuses: Sequence[VersionStatus]) -> VersionStatus:
    failed = next((status for status in statuses if status.error), None)
    if failed is not None:
        return failed
    states = {status.state for status in statuses}
    if len(states) == 1:
        return statuses[0]
    return VersionStatus(VersionState.END if states <= _GONE else VersionState.LOADING)
