"""All replicas of a TensorFlow Serving, asked as one."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from tfserving_api.addresses import resolve
from trainer.errors import ServingUnavailableError
from trainer.rollout.serving_client import ServingClient, VersionState, VersionStatus, open_channel
from transport.peer_tls import FollowedPeerTls

_RESOLUTION_S = 2.0
_GONE = {VersionState.UNKNOWN, VersionState.END}

_T = TypeVar("_T")


class ServingFleet:
    """One model of every replica that can be reached: a version is AVAILABLE when it is in all of them.

    That has to be known before a label is moved. A config with a label whose version is not available fails as a
    whole, and TensorFlow Serving does not try it again until it changes: a replica that was late would keep the old
    label. Those that cannot be reached, or whose name leads nowhere, do not count; at their start they take the
    labels as they find them.

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
        answers = await self._ask(await self._targets(), ServingClient.statuses)
        versions = sorted(set().union(*answers))
        return {version: _shared([answer.get(version, VersionStatus()) for answer in answers]) for version in versions}

    async def version_labelled(self, label: str) -> int | None:
        """Returns the version that a label leads to in all replicas; None where it leads to none.

        Raises:
          ServingUnavailableError: also where they differ at the moment.
          ServingRefusedError: as of ServingClient.
        """
        found = set(await self._ask(await self._targets(), lambda replica: replica.version_labelled(label)))
        if len(found) > 1:
            raise ServingUnavailableError(f"replicas of serving differ in the label {label}; try again")
        return found.pop()

    async def predict(self, request: Any, version: int) -> Any:
        """Plays a PredictRequest to one replica, another one each time. Raises as ServingClient's."""
        target = random.choice(await self._targets())  # noqa: S311 no secret
        (answer,) = await self._ask([target], lambda replica: replica.predict(request, version))
        return answer

    async def _targets(self) -> Sequence[str]:
        targets = await resolve(self._addresses, _RESOLUTION_S)
        if not targets:
            raise ServingUnavailableError("the name of serving leads nowhere at the moment; try again")
        return sorted(targets)

    async def _ask(self, targets: Sequence[str], question: Callable[[ServingClient], Awaitable[_T]]) -> list[_T]:
        outcomes = await asyncio.gather(*(self._ask_one(target, question) for target in targets))
        answers = [outcome for outcome in outcomes if not isinstance(outcome, ServingUnavailableError)]
        if not answers:
            raise next(outcome for outcome in outcomes if isinstance(outcome, ServingUnavailableError))
        return answers

    async def _ask_one(
        self, target: str, question: Callable[[ServingClient], Awaitable[_T]]
    ) -> _T | ServingUnavailableError:
        try:
            async with open_channel(target, self._tls) as channel:
                return await question(ServingClient(channel, self._model_name))
        except ServingUnavailableError as err:
            return err


def _shared(statuses: Sequence[VersionStatus]) -> VersionStatus:
    failed = next((status for status in statuses if status.error), None)
    if failed is not None:
        return failed
    states = {status.state for status in statuses}
    if len(states) == 1:
        return statuses[0]
    return VersionStatus(VersionState.END if states <= _GONE else VersionState.LOADING)
