"""What is left of the service at ten times the load that it can bear.

`python -m bench.overload`. Serving is slowed down, as if a larger model ran on a machine of its own, and the gateway
has a core to itself. Callers who send ten times too much would else, on the same machine, take from it the time in
which it refuses them.
"""

import argparse
import math
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from statistics import median

import grpc
from braintumor.v1.classifier_service_pb2 import PredictRequest
from braintumor.v1.classifier_service_pb2_grpc import ClassifierServiceStub

from bench.measurement import Measurement
from bench.processes import Server, core_set_apart, measure
from bench.service import running_service
from bench.slices import read_slices, written_slices
from bench.ways import MODEL_NAME

_CALLERS = 32
_TIMES = 10
_RECOVERY_S = 60.0


def main() -> int:
    """Prints the figures; returns the exit status."""
    # Whoever ends the bench ends its servers too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    parser = argparse.ArgumentParser("python -m bench.overload", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="repetitions; medians are quoted")
    parser.add_argument("--seconds", type=float, default=8.0, help="measured time of each load in each round")
    parser.add_argument("--warm-up-s", type=float, default=2.0, help="time before it, not counted")
    parser.add_argument("--deadline-s", type=float, default=2.0, help="of calls that come at a rate")
    data_root = Path(os.environ.get("DATA_ROOT", "data"))
    parser.add_argument("--model-base-path", type=Path, default=data_root / "models" / MODEL_NAME)
    arguments = parser.parse_args()
    core = core_set_apart()
    with ExitStack() as stack:
        slices = stack.enter_context(written_slices())
        _, gateway = stack.enter_context(running_service(arguments.model_base_path, slowed=True, core=core))
        rounds = [_Round(gateway, slices, arguments).run() for _ in range(arguments.rounds)]
    for name in rounds[0]:
        print(f"{name:<72}{median(figures[name] for figures in rounds):>10.2f}")
    return 0


class _Round:
    def __init__(self, gateway: Server, slices: Path, arguments: argparse.Namespace) -> None:
        self._gateway = gateway
        self._slices = slices
        self._arguments = arguments

    def run(self) -> dict[str, float]:
        """Measures the peak, then each kind of too much, and how things are right after it."""
        peak = self._callers(_CALLERS)
        figures = {"peak, images/s": peak.images_per_s, "peak, p99 ms": peak.p99_ms}
        alone_ms = self._callers(1).p50_ms
        loads: dict[str, Callable[[], Measurement]] = {
            f"{_TIMES} times the callers": lambda: self._callers(_TIMES * _CALLERS),
            f"{_TIMES * 5} times the callers": lambda: self._callers(_TIMES * 5 * _CALLERS),
            f"{_TIMES} times the rate": lambda: self._arrivals(_TIMES * peak.images_per_s),
        }
        for name, load in loads.items():
            before_mb = self._gateway.resident_mb()
            found = load()
            ended = time.monotonic()
            figures[f"{name}: answers / peak (wanted >= 0.9)"] = found.images_per_s / peak.images_per_s
            figures[f"{name}: p99 of the answers, ms"] = found.p99_ms
            figures[f"{name}: refused or late, of all calls"] = found.errors / found.calls
            figures[f"{name}: memory of the gateway, after / before"] = self._gateway.resident_mb() / before_mb
            figures[f"{name}: back to normal after, s (wanted <= 2)"] = self._normal_after(alone_ms, ended)
        return figures

    def _callers(self, callers: int) -> Measurement:
        return measure("bench.callers", "gateway", *self._where(), f"--callers={callers}", *self._how_long())

    def _arrivals(self, rate: float) -> Measurement:
        deadline = f"--deadline-s={self._arguments.deadline_s}"
        return measure("bench.arrivals", *self._where(), f"--rate={rate}", deadline, *self._how_long())

    def _where(self) -> tuple[str, str]:
        return self._gateway.address, str(self._slices)

    def _how_long(self) -> tuple[str, str]:
        return f"--seconds={self._arguments.seconds}", f"--warm-up-s={self._arguments.warm_up_s}"

    def _normal_after(self, alone_ms: float, ended: float) -> float:
        """Asks for slice after slice until one takes no more than twice its usual time; infinite after a minute."""
        request = PredictRequest(image=read_slices(self._slices)[0])
        with grpc.insecure_channel(self._gateway.address) as channel:
            stub = ClassifierServiceStub(channel)
            while (begun := time.monotonic()) < ended + _RECOVERY_S:
                with suppress(grpc.RpcError):
                    stub.Predict(request, timeout=_RECOVERY_S)
                    answered = time.monotonic()
                    if 1e3 * (answered - begun) <= 2 * alone_ms:
                        return answered - ended
        return math.inf


if __name__ == "__main__":
    sys.exit(main())
