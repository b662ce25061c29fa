"""Tiny versions, and a real model server that follows the models.config of a data root of its own."""

import asyncio
import json
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest

from gateway.imaging import InputSpec
from tfserving_api.messages import PredictionLog
from tfserving_api.tensors import to_array, write_array
from tfserving_api.tfrecord import read_records, write_records
from trainer.rollout.files import RolloutFiles
from trainer.rollout.replay import GOLDEN_REQUESTS
from trainer.rollout.rollout import Rollout
from trainer.rollout.serving_client import ServingClient
from trainer.settings import TrainerSettings
from trainer.versions import MODEL_CARD
from transport.peer_tls import connect

_T = TypeVar("_T")
_START_S = 60
_FLAGS = (
    "--model_config_file_poll_wait_seconds=1",
    "--allow_version_labels_for_unavailable_models=true",
    "--max_num_load_retries=0",
)


def _export(directory: Path, spec: InputSpec) -> None:
    """An untrained network with the signatures, golden requests and card of a real version."""
    import keras
    from keras import layers

    from trainer.architectures.architecture import EMBEDDING, FEATURES
    from trainer.evaluate import Candidate
    from trainer.rollout.golden import write_golden_requests
    from trainer.training.calibration import Calibration
    from trainer.training.domain_critic import build_critic
    from trainer.training.servable import export

    keras.utils.set_random_seed(spec.channels)
    images = keras.Input((spec.height, spec.width, spec.channels))
    features = layers.Conv2D(4, 5, strides=4, activation="relu", name=FEATURES)(images)
    embedding = layers.GlobalAveragePooling2D(name=EMBEDDING)(features)
    network = keras.Model(images, layers.Dense(2, activation="softmax")(layers.Dropout(0.3)(embedding)))
    calibration = Calibration(
        1.0, 0.5, np.full(2, 0.9, np.float32), np.zeros((2, 4), np.float32), np.eye(4, dtype=np.float32), 50.0, 1.0
    )
    export(network, build_critic(network.input_shape[1:]), calibration, spec, directory)
    write_golden_requests(Candidate(directory), "brain_tumor", directory)


@pytest.fixture(scope="session")
def exports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A small grey and a larger RGB version, as exported."""
    root = tmp_path_factory.mktemp("exports")
    specs = {"grey": InputSpec(32, 32, 1), "rgb": InputSpec(40, 44, 3)}
    for name, spec in specs.items():
        _export(root / name, spec)
    return {name: root / name for name in specs}


@pytest.fixture
def settings(tmp_path: Path) -> TrainerSettings:
    """Of a data root of its own, and with little patience."""
    return TrainerSettings(DATA_ROOT=tmp_path / "data", rollout_timeout_s=30)


@pytest.fixture
def add_version(settings: TrainerSettings, exports: dict[str, Path]) -> Callable[..., Path]:
    """Puts a version on disk, and returns its directory."""

    def add(version: int, kind: str = "grey") -> Path:
        directory = settings.model_dir / str(version)
        unfinished = settings.model_dir / f".unfinished-{version}"
        shutil.copytree(exports[kind], unfinished)
        card = {
            "architecture": kind,
            "parent_version": version - 1,
            "created": "2026-01-02T03:04:05+00:00",
            "training_data": {"fingerprint": "f00d"},
            "metrics": {
                "test": dict.fromkeys(("accuracy", "auc", "sensitivity", "specificity"), 0.75)
                | dict.fromkeys(("examples", "true_positives", "false_positives"), 8)
                | dict.fromkeys(("true_negatives", "false_negatives"), 2)
            },
        }
        (unfinished / MODEL_CARD).write_text(json.dumps(card))
        return unfinished.rename(directory)

    return add


@pytest.fixture
def falsify() -> Callable[[Path], None]:
    """Makes the stored answers of a version wrong: it will answer otherwise than it did in training."""

    def wrong(record: bytes) -> bytes:
        log = PredictionLog.FromString(record)
        tensor = log.predict_log.response.outputs["ood_score"]
        scores = to_array(tensor) + np.float32(0.1)
        tensor.Clear()
        write_array(scores, tensor)
        return bytes(log.SerializeToString())

    def falsify(directory: Path) -> None:
        path = directory / GOLDEN_REQUESTS
        write_records(path, [wrong(record) for record in list(read_records(path))])

    return falsify


class Serving:
    """A model server that can be killed and started again at the same address."""

    def __init__(self, settings: TrainerSettings, *flags: str) -> None:
        self._settings = settings
        self._flags = flags
        self._process: subprocess.Popen[str] | None = None
        self._port = "1"  # nobody listens there

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._port}"

    def start(self) -> None:
        """Returns when it answers."""
        RolloutFiles(self._settings).ensure()
        flags = [
            *_FLAGS,
            f"--port={0 if self._port == '1' else self._port}",
            f"--model_config_file={self._settings.models_config}",
            *self._flags,
        ]
        log = self._settings.data_root / "serving.log"
        with log.open("a") as stderr:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "serving.modelserver", *flags], stdout=subprocess.PIPE, stderr=stderr, text=True
            )
        assert self._process.stdout is not None
        patience = threading.Timer(_START_S, self._process.kill)
        patience.start()
        line = self._process.stdout.readline()
        patience.cancel()
        running = re.search(r"Running gRPC ModelServer at \S+:(\d+) ", line)
        assert running, f"the model server did not start: {line}{log.read_text()[-2000:]}"
        self._port = running[1]

    def pause(self) -> None:
        """Stops it as a machine that sleeps does."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


@pytest.fixture
def serving(settings: TrainerSettings) -> Iterator[Serving]:
    """To be started when the first version is on disk."""
    server = Serving(settings)
    yield server
    server.kill()


@pytest.fixture
def play(
    settings: TrainerSettings, serving: Serving
) -> Callable[[Callable[[Rollout, ServingClient], Awaitable[_T]]], _T]:
    """Runs a scene with a rollout and a client of the serving that is running."""

    def play(scene: Callable[[Rollout, ServingClient], Awaitable[Any]]) -> Any:
        async def run() -> Any:
            async with connect(serving.address) as channel:
                client = ServingClient(channel, settings.model_name)
                return await scene(Rollout(settings, client), client)

        return asyncio.run(run())

    return play
