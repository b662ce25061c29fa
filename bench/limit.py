"""The in-process limit: decoding and batched inference on all cores, and no network.

python -m bench.limit data/models/brain_tumor/3 slices/ --engine tensorflow
"""

import argparse
import os
import queue
import threading
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from bench.measurement import Measurement
from bench.slices import read_slices
from gateway.imaging import ImageArray, InputSpec, decode, preprocess

_BATCH = 32
Infer = Callable[[ImageArray], object]


def main() -> None:
    """Measures the limit and prints the measurement."""
    parser = argparse.ArgumentParser("python -m bench.limit")
    parser.add_argument("version", type=Path, help="directory of a SavedModel")
    parser.add_argument("slices", type=Path)
    parser.add_argument("--engine", choices=ENGINES, default="tensorflow")
    parser.add_argument("--seconds", type=float, default=4.0)
    arguments = parser.parse_args()
    infer, spec = ENGINES[arguments.engine](arguments.version)
    limit = Limit(infer, spec, read_slices(arguments.slices))
    print(limit.measure(arguments.seconds).to_json())


def tensorflow(version: Path) -> tuple[Infer, InputSpec]:
    """TensorFlow, with one thread for each call: the cores are kept busy by calls side by side."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    model = tf.saved_model.load(str(version))
    signature = model.signatures["serving_default"]
    ((name, tensor),) = signature.structured_input_signature[1].items()

    def infer(images: ImageArray, _model: Any = model) -> object:  # the signature lives as long as its model
        return {key: value.numpy() for key, value in signature(**{name: tf.constant(images)}).items()}

    return infer, InputSpec(*tensor.shape[1:])


def openvino(version: Path) -> tuple[Infer, InputSpec]:
    """OpenVINO in single precision, with one stream for each core: likewise."""
    import openvino as ov

    # OpenVINO 2026.4 makes its table of types at first use; two threads that are first stop each other for good.
    ov.Type.u8.to_dtype()
    cores = os.cpu_count() or 1
    core = ov.Core()
    model = core.read_model(version)
    options = {"NUM_STREAMS": cores, "INFERENCE_NUM_THREADS": cores, "ENABLE_CPU_PINNING": False}
    compiled = core.compile_model(model, "CPU", {**options, "INFERENCE_PRECISION_HINT": "f32"})
    requests = queue.SimpleQueue[Any]()
    for _ in range(cores):
        requests.put(compiled.create_infer_request())

    def infer(images: ImageArray) -> object:
        request = requests.get()
        answer = request.infer([images], share_inputs=True)
        requests.put(request)
        return answer

    return infer, InputSpec(*(size.get_length() for size in [*model.inputs[0].partial_shape][1:]))


ENGINES: dict[str, Callable[[Path], tuple[Infer, InputSpec]]] = {"tensorflow": tensorflow, "openvino": openvino}


class Limit:
    """Workers, one for each core, that decode and infer batch by batch."""

    def __init__(self, infer: Infer, spec: InputSpec, slices: list[bytes]) -> None:
        self._infer = infer
        self._spec = spec
        self._slices = slices
        self._batches = count()
        self._answers: list[int] = []
        self._decode_cpu_s: list[float] = []

    def measure(self, seconds: float) -> Measurement:
        """Counts what all workers answer; each has one batch for warming up, and at least one that counts."""
        workers = os.cpu_count() or 1
        warm = threading.Barrier(workers + 1)
        threads = [threading.Thread(target=self._work, args=(warm, seconds)) for _ in range(workers)]
        for thread in threads:
            thread.start()
        warm.wait()
        begin = time.perf_counter()
        for thread in threads:
            thread.join()
        answers = sum(self._answers)
        decode_cpu_ms = 1e3 * float(np.median(self._decode_cpu_s)) / _BATCH
        return Measurement(time.perf_counter() - begin, answers, 0, answers, decode_cpu_ms=decode_cpu_ms)

    def _work(self, warm: threading.Barrier, seconds: float) -> None:
        self._infer(self._batch())
        warm.wait()
        end = time.perf_counter() + seconds
        answers = 0
        while answers == 0 or time.perf_counter() < end:
            self._infer(self._batch())
            answers += _BATCH
        self._answers.append(answers)

    def _batch(self) -> ImageArray:
        first = next(self._batches) * _BATCH
        cpu_before = time.thread_time()
        chosen = [self._slices[(first + offset) % len(self._slices)] for offset in range(_BATCH)]
        images = [preprocess(decode(image), self._spec) for image in chosen]
        self._decode_cpu_s.append(time.thread_time() - cpu_before)
        return np.stack(images)


if __name__ == "__main__":
    main()
