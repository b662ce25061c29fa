"""Bulk: many slices over one PredictStream call.

python -m bench.stream 127.0.0.1:50051 slices/ --count 2000
"""

import argparse
import asyncio
import time
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path

import grpc.aio
from braintumor.v1.classifier_service_pb2 import PredictRequest, PredictStreamRequest
from braintumor.v1.classifier_service_pb2_grpc import ClassifierServiceStub

from bench.measurement import Measurement
from bench.slices import read_slices

_TIMEOUT_S = 300.0


def main() -> None:
    """Measures one stream and prints the measurement."""
    parser = argparse.ArgumentParser("python -m bench.stream")
    parser.add_argument("address")
    parser.add_argument("slices", type=Path)
    parser.add_argument("--count", type=int, default=2000)
    arguments = parser.parse_args()
    print(asyncio.run(_measure(arguments.address, read_slices(arguments.slices), arguments.count)).to_json())


async def _measure(address: str, slices: list[bytes], count: int) -> Measurement:
    async with grpc.aio.insecure_channel(address) as channel:
        await channel.channel_ready()
        begin = time.perf_counter()
        answers, errors = 0, 0
        async for answer in ClassifierServiceStub(channel).PredictStream(_requests(slices, count), timeout=_TIMEOUT_S):
            if answer.HasField("response"):
                answers += 1
            else:
                errors += 1
        lost = count - answers - errors
        return Measurement(time.perf_counter() - begin, answers, errors + lost, count)


def _requests(slices: list[bytes], count: int) -> Iterator[PredictStreamRequest]:
    for number, image in enumerate(islice(cycle(slices), count)):
        yield PredictStreamRequest(id=str(number), request=PredictRequest(image=image))


if __name__ == "__main__":
    main()
