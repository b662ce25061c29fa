"""Micro-batching: images of concurrent callers go to serving in one call."""

import asyncio
from bisect import bisect, insort
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, NamedTuple, Protocol, TypeAlias

from numpy.typing import NDArray

from gateway import caller
from gateway.errors import DeadlineExceededError, GatewayError, ModelFailedError
from gateway.imaging import ImageArray
from gateway.outlook import MeanTime, Outlook
from gateway.telemetry.metrics import QUEUE_DEPTH
from gateway.telemetry.stages import Inference, Wait

Row: TypeAlias = dict[str, Any]
"""Outputs of a signature for one image, by name: each output without its first axis."""


class BatchKey(NamedTuple):
    """What the images of one call have in common, and so their shape."""

    version: int
    signature: str


class Model(Protocol):
    """What runs a batch."""

    async def predict(
        self, version: int, signature: str, images: Sequence[ImageArray], timeout_s: float
    ) -> Mapping[str, NDArray[Any]]:
        """Returns all outputs by name, each with one row for each image; raises GatewayError."""


@dataclass(eq=False, slots=True)
class _Entry:
    """One image, and who waits for its row."""

    caller: str
    turn: int
    key: BatchKey
    image: ImageArray
    deadline: float
    row: asyncio.Future[Row]
    wait: Wait = field(default_factory=Wait)
    call: asyncio.Task[None] | None = None
    rows_of_call: Sequence[asyncio.Future[Row]] = ()


_TURN = attrgetter("turn")


class Batcher:
    """Forms batches of whatever waits each time that a call to serving returns.

    A lone caller is never held back: while fewer than `max_calls_in_flight` calls are under way, its image goes at
    once. Under load those that arrive during a call make up the next one, so batches grow with the load by
    themselves and no timer is needed. A batch takes along what waits for the same version and signature as its first
    image.

    Those who have many images wait for those who have few: one image of each caller is a round, and who comes while a
    round is sent is in the next one. Source: Golestani, "A Self-Clocked Fair Queueing Scheme for Broadband
    Applications" (1994).
    """

    def __init__(self, model: Model, max_batch_size: int, max_calls_in_flight: int) -> None:
        self._model = model
        self._max_batch_size = max_batch_size
        self._max_calls_in_flight = max_calls_in_flight
        self._waiting: list[_Entry] = []
        self._turn = 0
        self._under_way: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()
        self._woken = False
        self._time = MeanTime()

    def outlook(self) -> Outlook:
        """What awaits an image that the present caller sends now: it waits for the calls of the images before it."""
        if len(self._under_way) < self._max_calls_in_flight:
            return Outlook(0.0, self._time.seconds)
        images_ahead = bisect(self._waiting, self._next_turn(caller.current.get()), key=_TURN)
        calls_ahead = 1 + images_ahead // self._max_batch_size
        return Outlook(calls_ahead * self._time.seconds / self._max_calls_in_flight, self._time.seconds)

    async def submit(self, key: BatchKey, image: ImageArray, deadline: float) -> Row:
        """Runs one image with its neighbours.

        A caller that is cancelled leaves: an image that still waits is not sent, and a call whose callers have
        all left is cancelled.

        Args:
          key: version and signature; all images of one key have one shape.
          image: uint8 (height, width, channels).
          deadline: when the caller gives up, in seconds of the loop's clock.

        Raises:
          GatewayError: as the model raised it, a copy for each caller of the batch.
        """
        name = caller.current.get()
        entry = _Entry(name, self._next_turn(name), key, image, deadline, self._loop.create_future())
        insort(self._waiting, entry, key=_TURN)
        self._wake()
        try:
            return await entry.row
        except asyncio.CancelledError:
            self._leave(entry)
            raise

    def _next_turn(self, name: str) -> int:
        own = (entry.turn + 1 for entry in reversed(self._waiting) if entry.caller == name)
        return max(self._turn, next(own, 0))

    def _wake(self) -> None:
        # Soon, not now: images that arrive in the same turn of the loop go together.
        if not self._woken:
            self._woken = True
            self._loop.call_soon(self._send)

    def _send(self) -> None:
        self._woken = False
        while self._waiting and len(self._under_way) < self._max_calls_in_flight:
            self._drop_the_late()
            entries = self._next_entries()
            call = self._loop.create_task(self._run(entries))
            rows = [entry.row for entry in entries]
            for entry in entries:
                entry.call, entry.rows_of_call = call, rows
            self._under_way.add(call)
            call.add_done_callback(self._returned)
        QUEUE_DEPTH.set(len(self._waiting))

    def _drop_the_late(self) -> None:
        # They would take serving's time from those behind them, who then came late, too. Where all would be late, the
        # mean may be wrong, and they go on.
        latest_start = self._loop.time() + self._time.seconds
        in_time = [entry for entry in self._waiting if entry.deadline > latest_start]
        if in_time and len(in_time) < len(self._waiting):
            late = DeadlineExceededError("So many images wait that this one would be too late.")
            _fail([entry for entry in self._waiting if entry.deadline <= latest_start], late)
            self._waiting = in_time

    def _next_entries(self) -> list[_Entry]:
        key = self._waiting[0].key
        chosen = [entry for entry in self._waiting if entry.key == key][: self._max_batch_size]
        taken = set(chosen)
        self._waiting = [entry for entry in self._waiting if entry not in taken]
        # Of the next round: else those who come again and again would all be in this one, which then never ends.
        self._turn = max(self._turn, chosen[-1].turn + 1)
        return chosen

    def _returned(self, call: asyncio.Task[None]) -> None:
        self._under_way.discard(call)
        self._wake()

    def _leave(self, entry: _Entry) -> None:
        if entry.call is None:
            if entry in self._waiting:  # not where it has been dropped in this very moment
                self._waiting.remove(entry)
        elif all(row.done() for row in entry.rows_of_call):
            entry.call.cancel()

    async def _run(self, entries: Sequence[_Entry]) -> None:
        try:
            await self._predict(entries)
        except ModelFailedError as err:
            if len(entries) == 1:
                _fail(entries, err)
            else:
                await self._run_apart(entries)
        except GatewayError as err:
            _fail(entries, err)
        except Exception as err:  # noqa: BLE001 as in an answer of the model that has not a row for each image
            failure = ModelFailedError("The model's answer could not be read.")
            failure.__cause__ = err
            _fail(entries, failure)

    async def _run_apart(self, entries: Sequence[_Entry]) -> None:
        # One image may have spoilt the call for its neighbours.
        for entry in entries:
            if not entry.row.done():
                await self._run([entry])

    async def _predict(self, entries: Sequence[_Entry]) -> None:
        key = entries[0].key
        timeout_s = max(entry.deadline for entry in entries) - self._loop.time()
        begun = self._loop.time()
        try:
            with Inference(key.version, [entry.wait for entry in entries]):
                outputs = await self._model.predict(*key, [entry.image for entry in entries], timeout_s)
        except (DeadlineExceededError, asyncio.CancelledError):
            self._time.note(max(self._time.seconds, self._loop.time() - begun))  # it would have taken longer still
            raise
        self._time.note(self._loop.time() - begun)
        for index, entry in enumerate(entries):
            if not entry.row.done():
                entry.row.set_result({name: output[index] for name, output in outputs.items()})


def _fail(entries: Sequence[_Entry], error: GatewayError) -> None:
    for entry in entries:
        if not entry.row.done():
            entry.row.set_exception(error.for_another_caller())
