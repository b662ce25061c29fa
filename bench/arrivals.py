"""Callers who come at a steady rate, whether those before them were answered or not.

python -m bench.arrivals 127.0.0.1:50051 slices/ --rate 1000 --deadline-s 2
"""

import argparse
import asyncio
from pathlib import Path

import grpc
from braintumor.v1.classifier_service_pb2 import PredictRequest
from braintumor.v1.classifier_service_pb2_grpc import ClassifierServiceStub

from bench.callers import Run
from bench.measurement import Measurement
from bench.slices import read_slices


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
    async with grpc.aio.insecure_channel(arguments.address) as channel:
        predict = ClassifierServiceStub(channel).Predict
        run = Run(
            lambda image: predict(PredictRequest(image=image), timeout=arguments.deadline_s),
            read_slices(arguments.slices),
            arguments.warm_up_s,
            arguments.seconds,
        )
        return await run.at_rate(arguments.rate)


if __name__ == "__main__":
    main()
