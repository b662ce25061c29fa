"""Callers who come at a steady rate, whether those before them were answered or not.

python -m bench.arrivals 127.0.0.1:50051 slices/ --rate 1000 --deadline-s 2
"""

import argparse
import asyncio
import time
from itertools import count
from pathlib import Path
from typing import Any

import grpc
from braintumor.v1.classifier_service_pb2 import PredictRequest
from braintumor.v1.classifier_service_pb2_grpc import ClassifierServiceStub

from bench.measurement import Measurement
from bench.slices import read_slices

_TICK_S = 0.005


def main() -> None:
    """Sends for a while and prints what became of the calls."""
    parser = argparse.ArgumentParser("python -m bench.arrivals")
    parser.add_argument("address")
    parser.add_argument("slices", type=Path)
    parser.add_argument("--rate", type=float, required=True, help="calls a second")
    parser.add_argument("--deadline-s", type=float, default=2.0, help="of each call")
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--warm-up-s", type=float, default=1.0)
    print(asyncio.run(_measure(parser.parse_args())).to_json())


async def _measure(arguments: argparse.Namespace) -> Measurement:
    requests = [PredictRequest(image=image) for image in read_slices(arguments.slices)]
    async with grpc.aio.insecure_channel(arguments.address) as channel:
        arrivals = _Arrivals(ClassifierServiceStub(channel), requests, arguments.deadline_s)
        begin = time.perf_counter() + arguments.warm_up_s
        end = begin + arguments.seconds
        sent, started = 0, time.perf_counter()
        async with asyncio.TaskGroup() as tasks:
            while (now := time.perf_counter()) < end:
                for _ in range(int((now - started) * arguments.rate) - sent):
                    tasks.create_task(arrivals.call(begin, end))
                    sent += 1
                await asyncio.sleep(_TICK_S)
    return Measurement.of_latencies(arrivals.latencies_s, arguments.seconds, arrivals.errors, sent)


class _Arrivals:
    def __init__(self, stub: Any, requests: list[PredictRequest], deadline_s: float) -> None:
        self._stub = stub
        self._requests = requests
        self._deadline_s = deadline_s
        self._numbers = count()
        self.latencies_s: list[float] = []
        self.errors = 0

    async def call(self, begin: float, end: float) -> None:
        request = self._requests[next(self._numbers) % len(self._requests)]
        sent = time.perf_counter()
        try:
            await self._stub.Predict(request, timeout=self._deadline_s)
        except grpc.aio.AioRpcError:
            self.errors += 1
            return
        answered = time.perf_counter()
        if begin <= answered < end:
            self.latencies_s.append(answered - sent)


if __name__ == "__main__":
    main()
