"""Callers in a process of their own: each sends its next image when the answer to the last is there.

python -m bench.callers gateway 127.0.0.1:50051 slices/ --callers 32
"""

import argparse
import asyncio
import time
from itertools import count
from pathlib import Path

import grpc

from bench.measurement import Measurement
from bench.slices import read_slices
from bench.ways import WAYS, Call

_TICK_S = 0.005


def main() -> None:
    """Measures one way and prints the measurement."""
    parser = argparse.ArgumentParser("python -m bench.callers")
    parser.add_argument("way", choices=WAYS)
    parser.add_argument("address")
    parser.add_argument("slices", type=Path)
    parser.add_argument("--callers", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--warm-up-s", type=float, default=1.0)
    arguments = parser.parse_args()
    print(asyncio.run(_measure(arguments)).to_json())


async def _measure(arguments: argparse.Namespace) -> Measurement:
    async with WAYS[arguments.way](arguments.address, arguments.callers) as call:
        run = Run(call, read_slices(arguments.slices), arguments.warm_up_s, arguments.seconds)
        return await run.in_turn(arguments.callers)


class Run:
    """One measured run; counted is what is answered between warm-up and end.

    Args:
      call: sends a slice.
      slices: to send, again and again.
      warm_up_s: time before what counts.
      seconds: time that counts.
    """

    def __init__(self, call: Call, slices: list[bytes], warm_up_s: float, seconds: float) -> None:
        self._call = call
        self._slices = slices
        self._seconds = seconds
        self._begin = time.perf_counter() + warm_up_s
        self._end = self._begin + seconds
        self._numbers = count()
        self._latencies_s: list[float] = []
        self._errors = 0

    async def in_turn(self, callers: int) -> Measurement:
        """Lets that many callers go at once, each of whom sends when the answer to the last is there."""
        await asyncio.gather(*(self._caller() for _ in range(callers)))
        return self._measurement()

    async def at_rate(self, rate: float) -> Measurement:
        """Sends that many slices a second, whatever becomes of those before them."""
        started, sent = time.perf_counter(), 0
        async with asyncio.TaskGroup() as tasks:
            while (now := time.perf_counter()) < self._end:
                for _ in range(int((now - started) * rate) - sent):
                    tasks.create_task(self._one())
                    sent += 1
                await asyncio.sleep(_TICK_S)
        return self._measurement()

    async def _caller(self) -> None:
        while time.perf_counter() < self._end:
            await self._one()

    async def _one(self) -> None:
        slice_ = self._slices[next(self._numbers) % len(self._slices)]
        sent = time.perf_counter()
        try:
            await self._call(slice_)
        except grpc.aio.AioRpcError:
            self._errors += 1
            return
        answered = time.perf_counter()
        if self._begin <= answered < self._end:
            self._latencies_s.append(answered - sent)

    def _measurement(self) -> Measurement:
        return Measurement.of_latencies(self._latencies_s, self._seconds, self._errors, next(self._numbers))


if __name__ == "__main__":
    main()
