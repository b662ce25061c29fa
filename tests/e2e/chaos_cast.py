"""Who takes part in the chaos: services that can be killed, a caller, jobs, and a data root for them."""

import io
import math
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import grpc
import numpy as np
from braintumor.v1 import classifier_service_pb2, classifier_service_pb2_grpc, trainer_service_pb2_grpc
from braintumor.v1 import trainer_service_pb2 as pb2
from google.longrunning import operations_pb2, operations_pb2_grpc
from PIL import Image

from trainer.data.synthetic import synthetic_slice
from trainer.versions import versions_on_disk

MODEL = "brain_tumor"

_ROOT = Path(__file__).parents[2]
_SLICES = 48
_CANCELLED_SHARE = 0.2
_FORCED_SHARE = 0.7
_LONGEST_PATIENCE_S = 30.0
_MAX_UNFINISHED = 3
_UNAVAILABLE = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED}


class Service:
    """A process at an address that outlives it."""

    def __init__(self, arguments: list[str], environment: dict[str, str], address: str, log: Path) -> None:
        self.address = address
        self._arguments = arguments
        self._environment = os.environ | environment
        self.log = log
        self.kills = 0
        self.start()

    def start(self) -> None:
        with self.log.open("a") as log:
            command = [sys.executable, "-m", *self._arguments]
            self.process = subprocess.Popen(command, cwd=_ROOT, env=self._environment, stdout=log, stderr=log)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self.kills += 1

    def died_by_itself(self) -> bool:
        return self.process.poll() is not None

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(30)
        finally:
            self.process.kill()


class Caller(threading.Thread):
    """Asks for one slice all the time, and notes who answered what."""

    def __init__(self, address: str) -> None:
        super().__init__(daemon=True)
        self._stub: Any = classifier_service_pb2_grpc.ClassifierServiceStub(grpc.insecure_channel(address))
        self.answers: dict[int, list[float]] = defaultdict(list)
        self.errors: Counter[str] = Counter()
        self.stopped = threading.Event()

    def run(self) -> None:
        file = io.BytesIO()
        Image.fromarray(synthetic_slice(1, lesion=True)[..., 0]).save(file, "PNG")
        request = classifier_service_pb2.PredictRequest(image=file.getvalue())
        while not self.stopped.wait(0.05):
            try:
                response = self._stub.Predict(request, timeout=5)
            except grpc.RpcError as err:
                self.errors[err.code().name] += 1
            else:
                self.answers[response.model_version].append(response.prediction.probability)


class Jobs:
    """Jobs that are asked for again until they are accepted, some of which are cancelled at a random moment."""

    def __init__(self, address: str, count: int, chance: random.Random) -> None:
        channel = grpc.insecure_channel(address)
        self._trainer: Any = trainer_service_pb2_grpc.TrainerServiceStub(channel)
        self._operations: Any = operations_pb2_grpc.OperationsStub(channel)
        self._chance = chance
        self._wanted = [
            pb2.RetrainRequest(
                epochs=1, seed=number, force=chance.random() < _FORCED_SHARE, request_id=f"chaos-{number}"
            )
            for number in range(1, count + 1)
        ]
        self._cancel_at: dict[str, float] = {}
        self._unfinished: set[str] = set()
        self.ended: dict[str, Any] = {}

    def step(self) -> bool:
        """Submits, looks and cancels; returns whether all jobs have ended."""
        try:
            self._submit()
            for name in list(self._unfinished):
                if self._cancel_at.get(name, math.inf) < time.monotonic():
                    self._operations.CancelOperation(operations_pb2.CancelOperationRequest(name=name), timeout=5)
                operation = self.get(name)
                if operation.done:
                    self._unfinished.remove(name)
                    self.ended[name] = operation
        except grpc.RpcError as err:
            if err.code() not in _UNAVAILABLE:
                raise
        return not (self._wanted or self._unfinished)

    def get(self, name: str) -> Any:
        return self._operations.GetOperation(operations_pb2.GetOperationRequest(name=name), timeout=5)

    def _submit(self) -> None:
        while self._wanted and len(self._unfinished) < _MAX_UNFINISHED:
            name = self._trainer.Retrain(self._wanted[0], timeout=5).name
            self._wanted.pop(0)
            self._unfinished.add(name)
            if self._chance.random() < _CANCELLED_SHARE:
                self._cancel_at[name] = time.monotonic() + self._chance.uniform(0, _LONGEST_PATIENCE_S)


def made_data_root(root: Path) -> Path:
    """Makes a data root of slices that are no near-duplicates, and the newest shipped model as version 1."""
    (root / "raw/images").mkdir(parents=True)
    rows = ["Image,Class"]
    for number in range(_SLICES):
        rng = np.random.default_rng(number)
        pattern = Image.fromarray(rng.integers(0, 256, (5, 5), np.uint8)).resize((240, 240))
        anatomy = synthetic_slice(number, lesion=number % 2 == 1)[..., 0]
        pixels = (anatomy * 0.3 + np.asarray(pattern) * 0.7).astype(np.uint8)
        Image.fromarray(pixels).save(root / f"raw/images/Image{number}.png")
        rows.append(f"Image{number},{number % 2}")
    (root / "raw/BrainTumor.csv").write_text("\n".join(rows) + "\n")
    shipped = _ROOT / f"data/models/{MODEL}"
    shutil.copytree(shipped / str(versions_on_disk(shipped)[-1]), root / f"models/{MODEL}/1")
    return root


def started(directory: Path, data_root: Path) -> dict[str, Service]:
    """Starts all three services, by name. SIGTERM raises SystemExit from now on, so that they can be stopped."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    serving, trainer, gateway = (f"127.0.0.1:{_free_port()}" for _ in range(3))
    environment = {
        "DATA_ROOT": str(data_root),
        "SERVING_ADDRESS": serving,
        "TRAINER_ADDRESS": trainer,
        "GATEWAY_ADDRESS": gateway,
        "TRAINER_JOB_NICENESS": "0",  # else a busy machine kills faster than it trains
        "TRAINER_MAX_JOB_ATTEMPTS": "1000",  # who is killed at random may well get no further many times in a row
    }
    write_config = [sys.executable, "-m", "trainer", "write-config"]
    subprocess.run(write_config, cwd=_ROOT, env=os.environ | environment, check=True, stdout=subprocess.DEVNULL)
    modelserver = [
        "serving.modelserver",
        f"--port={serving.rpartition(':')[2]}",
        f"--model_config_file={data_root}/models/models.config",
        "--model_config_file_poll_wait_seconds=1",
        "--allow_version_labels_for_unavailable_models=true",
        "--max_num_load_retries=0",
    ]
    return {
        "serving": Service(modelserver, environment, serving, directory / "serving.log"),
        "trainer": Service(["trainer", "serve"], environment, trainer, directory / "trainer.log"),
        "gateway": Service(["gateway"], environment, gateway, directory / "gateway.log"),
    }


def concluded(problems: Sequence[str], directory: Path) -> int:
    """Tells what went wrong, and leaves the logs; removes them where nothing did. Returns the exit status."""
    for problem in problems:
        say(f"PROBLEM: {problem}")
    if problems:
        say(f"logs are in {directory}")
        return 1
    shutil.rmtree(directory)
    return 0


def say(text: str) -> None:
    """Writes a line, at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
