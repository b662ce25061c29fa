"""The replicas of serving, as one serving."""

import asyncio
import itertools
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from gateway.backend.replica import Replica
from gateway.backend.served_version import Selector, ServedVersion
from gateway.errors import (
    GatewayError,
    ModelVersionNotFoundError,
    NoModelError,
    ServingBusyError,
    ServingUnavailableError,
    VersionGoneError,
    VersionLabelNotFoundError,
)
from gateway.imaging import ImageArray
from gateway.telemetry.metrics import REPLICAS

# Of what the replicas say, this says most about all of them. One that is busy may hold what the others do not. One
# that is away holds nothing. One that knows a label, although not its version, knows more than one that does not.
_MOST_TELLING_FIRST = (
    ServingBusyError,
    VersionGoneError,
    ModelVersionNotFoundError,
    VersionLabelNotFoundError,
    NoModelError,
    ServingUnavailableError,
)

_LOOK_TIMEOUT_S = 1.0
"""Within which a replica answers a look."""


class Fleet:
    """Asks whichever replicas answer; a `step` each second finds out which there are, and which of them do.

    Every replica follows its configuration in its own time, so for a second or two they may differ in versions and
    labels. A version is served as long as any of them holds it. One that refuses a batch, be it dead, busy or
    without the version, costs one call: the next one gets it at once. So it does where one falls silent over it.

    One that is lost gets a new channel where its old one's credentials are outdated. One that answers keeps its
    connection: what the files hold now may be wrong.

    Args:
      resolve: looks up the replicas' gRPC targets, as far as they can be told; None where none can at the moment.
      connect: opens a channel to one of them.
      longest_call_s: within this time every call ends, in seconds.
    """

    def __init__(
        self,
        resolve: Callable[[], Awaitable[Collection[str] | None]],
        connect: Callable[[str], Replica],
        longest_call_s: float,
    ) -> None:
        self._resolve = resolve
        self._connect = connect
        self._longest_call_s = longest_call_s
        self._replicas: dict[str, Replica] = {}
        self._leaving: dict[Replica, float] = {}
        """With the time of the loop's clock by which all their calls have ended."""
        self._turns = itertools.count()

    async def step(self) -> None:
        """Looks once. While no name leads anywhere the last known replicas stay."""
        found = await self._resolve()
        await self._close_the_idle()
        targets = set(self._replicas if found is None else found)
        for target, replica in list(self._replicas.items()):
            # In this order, since asking looks at the files: those that cannot be used are told before one is lost.
            if (replica.is_outdated() and replica.is_lost) or target not in targets:
                self._let_go(self._replicas.pop(target))
        for target in sorted(targets - self._replicas.keys()):
            self._replicas[target] = self._connect(target)
        replicas = self._replicas.values()
        # Also those that leave: the calls that they have in work are theirs to answer.
        await asyncio.gather(*(replica.probe(_LOOK_TIMEOUT_S) for replica in (*replicas, *self._leaving)))
        answering = sum(replica.answers for replica in replicas)
        REPLICAS.labels("answering").set(answering)
        REPLICAS.labels("away").set(len(replicas) - answering)
        if answering:
            for replica in (*replicas, *self._leaving):
                if replica.is_lost:
                    replica.give_up()

    async def aclose(self) -> None:
        """Closes all channels; calls in flight are lost."""
        await asyncio.gather(*(replica.close() for replica in (*self._replicas.values(), *self._leaving)))

    async def predict(
        self, version: int, signature: str, images: Sequence[ImageArray], timeout_s: float
    ) -> Mapping[str, NDArray[Any]]:
        """Has one replica after the other asked until one takes the batch.

        Raises:
          VersionGoneError: none of those that answer holds the version.
          ServingBusyError, ServingUnavailableError: none takes it at the moment.
          DeadlineExceededError, ModelFailedError: as of ServingClient.
        """
        clock = asyncio.get_running_loop().time
        deadline = clock() + timeout_s
        refusals: list[GatewayError] = []
        for replica in self._in_turn():
            try:
                return await replica.predict(version, signature, images, deadline - clock())
            except (ServingBusyError, ServingUnavailableError, VersionGoneError) as err:
                refusals.append(err)
        raise _most_telling(refusals)

    async def look_up(self, selector: Selector, timeout_s: float) -> ServedVersion:
        """Asks all replicas which version a selector leads to; where they differ, the one that most of them name.

        Raises:
          GatewayError: as of ServingClient, where none of them names one.
        """
        outcomes = await asyncio.gather(*(replica.look_up(selector, timeout_s) for replica in self._answering()))
        named = Counter(outcome for outcome in outcomes if isinstance(outcome, ServedVersion))
        if named:
            return max(named, key=lambda served: (named[served], served.version))
        raise _most_telling(outcome for outcome in outcomes if isinstance(outcome, GatewayError))

    def _answering(self) -> list[Replica]:
        # Where none did when last heard of, any may be back.
        return [replica for replica in self._replicas.values() if replica.answers] or list(self._replicas.values())

    def _in_turn(self) -> list[Replica]:
        replicas = self._answering()
        first = next(self._turns) % max(1, len(replicas))
        return replicas[first:] + replicas[:first]

    def _let_go(self, replica: Replica) -> None:
        # A pod that ends leaves the name service first, and goes on with what it has in work.
        self._leaving[replica] = asyncio.get_running_loop().time() + self._longest_call_s

    async def _close_the_idle(self) -> None:
        now = asyncio.get_running_loop().time()
        for replica in [replica for replica, idle_at in self._leaving.items() if idle_at <= now]:
            del self._leaving[replica]
            await replica.close()


def _most_telling(errors: Iterable[GatewayError]) -> GatewayError:
    def place(error: GatewayError) -> int:
        # What is not listed is about the version itself.
        kinds = enumerate(_MOST_TELLING_FIRST)
        return next((number for number, kind in kinds if isinstance(error, kind)), -1)

    return min(errors, key=place, default=ServingUnavailableError("The model server cannot be reached."))
