"""One caller with batches that are ready: what a call to serving costs above the inference in it.

python -m bench.batches 32 slices/ --address 127.0.0.1:8500
python -m bench.batches 32 slices/ --address 127.0.0.1:8500 --bare 127.0.0.1:46001
python -m bench.batches 32 slices/ --version data/models/brain_tumor/3 --engine openvino
"""

import argparse
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from itertools import cycle, islice
from pathlib import Path

import grpc
import numpy as np

from bench.limit import ENGINES
from bench.measurement import Measurement
from bench.slices import read_slices
from bench.ways import BARE_METHOD, TIMEOUT_S, metadata_request, predict_request, read_spec, serving_method
from gateway.imaging import ImageArray, InputSpec, decode, preprocess
from serving.modelserver.loader import Loader
from serving.modelserver.metrics import Metrics
from serving.modelserver.predict import DEFAULT_SIGNATURE
from tfserving_api import messages
from tfserving_api.tensors import Tensor

Run = Callable[[ImageArray], object]


def main() -> None:
    """Measures one size of batch, over gRPC or in this process, and prints the measurement."""
    parser = argparse.ArgumentParser("python -m bench.batches")
    parser.add_argument("size", type=int, help="images in a batch")
    parser.add_argument("slices", type=Path)
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--address", help="of a serving")
    where.add_argument("--version", type=Path, help="directory of a SavedModel, to be run in this process")
    parser.add_argument("--bare", help="with --address: of a bench.bare that runs the same version, and gets the calls")
    parser.add_argument("--engine", choices=ENGINES, default="tensorflow")
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--warm-up-s", type=float, default=1.0)
    arguments = parser.parse_args()
    with ExitStack() as stack:
        if arguments.version:
            run, spec = in_process(arguments.version, arguments.engine)
        else:
            run, spec = _over_grpc(stack.enter_context(grpc.insecure_channel(arguments.address)))
        if arguments.bare:
            run = _to_a_bare_server(stack.enter_context(grpc.insecure_channel(arguments.bare)))
        slices = islice(cycle(read_slices(arguments.slices)), arguments.size)
        batch = np.stack([preprocess(decode(slice_), spec) for slice_ in slices])
        print(_measured(run, batch, arguments.warm_up_s, arguments.seconds).to_json())


def _over_grpc(channel: grpc.Channel) -> tuple[Run, InputSpec]:
    predict = serving_method(channel, "Predict", messages.PredictResponse)
    look_up = serving_method(channel, "GetModelMetadata", messages.GetModelMetadataResponse)
    spec = read_spec(look_up(metadata_request(), timeout=TIMEOUT_S))
    return lambda batch: predict(predict_request(batch), timeout=TIMEOUT_S), spec


def _to_a_bare_server(channel: grpc.Channel) -> Run:
    call: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(BARE_METHOD)
    return lambda batch: call(batch.tobytes(), timeout=TIMEOUT_S)


def in_process(version: Path, engine: str) -> tuple[Run, InputSpec]:
    """The engine as serving sets it up, so that the difference is the call's and not that of two set-ups."""
    servable = Loader(Metrics(), engine=engine).load("bare", int(version.name), version)
    signature = servable.signatures[DEFAULT_SIGNATURE]
    ((alias, images),) = signature.inputs.items()
    outputs = list(signature.outputs)

    def run(batch: ImageArray) -> object:
        return servable.engine.run(DEFAULT_SIGNATURE, {alias: Tensor(images.dtype, batch)}, outputs, None)

    return run, InputSpec(*(dim.size for dim in [*images.tensor_shape.dim][1:]))


def _measured(run: Run, batch: ImageArray, warm_up_s: float, seconds: float) -> Measurement:
    calls = 0
    latencies_s: list[float] = []
    begin = time.perf_counter() + warm_up_s
    while not latencies_s or time.perf_counter() < begin + seconds:
        before = time.perf_counter()
        run(batch)
        calls += 1
        if before >= begin:
            latencies_s.append(time.perf_counter() - before)
    of_calls = Measurement.of_latencies(latencies_s, time.perf_counter() - begin, 0, calls)
    return replace(of_calls, answers=len(batch) * of_calls.answers)


if __name__ == "__main__":
    main()
