"""Real model servers on free ports, and the SavedModels that they serve."""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from google.protobuf import message_factory

from serving.modelserver.errors import UnavailableError
from serving.modelserver.manager import AspiredVersionsManager, RetryPolicy
from serving.modelserver.servable import Servable
from serving.modelserver.states import ServableStateMonitor
from tfserving_api.messages import (
    GetModelMetadataRequest,
    GetModelStatusRequest,
    ModelServerConfig,
    PredictRequest,
    TensorProto,
    pool,
)
from tfserving_api.tensors import Tensor, to_proto
from tfserving_api.tfrecord import write_records

DEADLINE_S = 30.0
ALLOW_LABELS = "--allow_version_labels_for_unavailable_models"
DTYPES = {"float32": 1, "uint8": 4, "int64": 9, "object": 7}


class Client:
    """Calls a server's two services, by method name."""

    def __init__(self, address: str) -> None:
        unlimited = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
        self.channel = grpc.insecure_channel(address, options=unlimited)

    def call(self, method: str, request: Any, timeout_s: float = DEADLINE_S) -> Any:
        service = "ModelService" if method in {"GetModelStatus", "HandleReloadConfigRequest"} else "PredictionService"
        descriptor = pool.FindServiceByName(f"tensorflow.serving.{service}").FindMethodByName(method)
        response_class = message_factory.GetMessageClass(descriptor.output_type)
        stub = self.channel.unary_unary(
            f"/tensorflow.serving.{service}/{method}",
            message_factory.GetMessageClass(descriptor.input_type).SerializeToString,
            response_class.FromString,
        )
        return stub(request, timeout=timeout_s, wait_for_ready=True)

    def predict(
        self,
        spec: dict[str, Any] | None,
        inputs: dict[str, Any],
        output_filter: tuple[str, ...] = (),
        timeout_s: float = DEADLINE_S,
    ) -> Any:
        request = PredictRequest(model_spec=spec, output_filter=output_filter)
        for alias, value in inputs.items():
            request.inputs[alias].CopyFrom(tensor_proto(value))
        return self.call("Predict", request, timeout_s)

    def half(self, spec: dict[str, Any] | None = None) -> float:
        """Asks a half-plus model for x=2."""
        response = self.predict(spec or {"name": "m"}, {"x": np.array([2.0], np.float32)})
        return float(response.outputs["y"].float_val[0])

    def states(self, name: str = "m") -> dict[int, int]:
        """State numbers by version; empty for a model never seen."""
        try:
            response = self.call("GetModelStatus", GetModelStatusRequest(model_spec={"name": name}))
        except grpc.RpcError as error:
            if error.code() is grpc.StatusCode.NOT_FOUND:
                return {}
            raise
        return {status.version: status.state for status in response.model_version_status}

    def metadata(self, spec: dict[str, Any]) -> Any:
        request = GetModelMetadataRequest(model_spec=spec, metadata_field=["signature_def"])
        return self.call("GetModelMetadata", request)


def tensor_proto(value: Any) -> Any:
    """A NumPy array as TensorProto; a TensorProto as it is."""
    if isinstance(value, np.ndarray):
        proto = TensorProto()
        to_proto(Tensor(DTYPES[value.dtype.name], value), proto, as_content=value.dtype.name != "float32")
        return proto
    return value


class Server:
    """A process of `python -m serving.modelserver`."""

    def __init__(self, log: Path, *flags: str) -> None:
        self.log = log
        with log.open("wb") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "serving.modelserver", "--port=0", *flags],
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
            )

    def ready(self) -> Client:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if found := re.fullmatch(r"Running gRPC ModelServer at (127\.0\.0\.1:\d+) \.\.\.\n", line):
                return Client(found[1])
        raise AssertionError(f"the server ended with {self.process.wait()}: {self.log.read_text()}")

    def stop(self) -> int:
        self.process.terminate()
        status = self.process.wait(DEADLINE_S)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return status


@pytest.fixture(scope="session")
def saved_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Directory of the SavedModels that `saved_models.py` writes."""
    root = tmp_path_factory.mktemp("saved_models")
    script = Path(__file__).with_name("saved_models.py")
    subprocess.run([sys.executable, str(script), str(root)], check=True, capture_output=True)
    return root


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Starts servers, and ends them after the test."""
    servers: list[Server] = []

    def start(*flags: str) -> Server:
        servers.append(Server(tmp_path / f"server-{len(servers)}.log", *flags))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


@pytest.fixture(scope="module")
def serve() -> Iterator[Callable[..., Server]]:
    """Starts servers that several tests share, and ends them after the module."""
    servers: list[Server] = []

    def start(root: Path, *flags: str) -> Server:
        servers.append(Server(root / "server.log", *flags))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


@pytest.fixture
def client_of() -> type[Client]:
    """Makes clients of other addresses than a server tells."""
    return Client


@pytest.fixture
def base_path(tmp_path: Path) -> Path:
    """An empty model directory."""
    path = tmp_path / "models" / "m"
    path.mkdir(parents=True)
    return path


@pytest.fixture
def publish(saved_models: Path, base_path: Path) -> Callable[..., Path]:
    """Puts a copy of a SavedModel in place as a version, the safe way: written elsewhere, then renamed."""

    def place(model: str, version: str, base: Path = base_path) -> Path:
        base.mkdir(parents=True, exist_ok=True)
        unfinished = base / f"{version}.tmp"
        shutil.copytree(saved_models / model, unfinished)
        return unfinished.rename(base / version)

    return place


@pytest.fixture
def write_warmup() -> Callable[[Path, list[Any]], None]:
    """Writes messages as the warm-up requests of a version."""

    def write(version: Path, messages: list[Any]) -> None:
        path = version / "assets.extra" / "tf_serving_warmup_requests"
        path.parent.mkdir(exist_ok=True)
        write_records(path, (each if isinstance(each, bytes) else each.SerializeToString() for each in messages))

    return write


@pytest.fixture(scope="module")
def zoo(saved_models: Path, tmp_path_factory: pytest.TempPathFactory, serve: Callable[..., Server]) -> Client:
    """A server of every SavedModel, as version 3 of a model of its name, for tests that change nothing."""
    root = tmp_path_factory.mktemp("zoo")
    config = ModelServerConfig()
    for model in sorted(saved_models.iterdir()):
        if model.name not in {"no_variables", "images_heavy"}:
            shutil.copytree(model, root / model.name / "3")
            config.model_config_list.config.add(
                name=model.name,
                base_path=str(root / model.name),
                model_platform="tensorflow",
                version_labels={"stable": 3},
            )
    (root / "models.config").write_text(str(config))
    return serve(root, f"--model_config_file={root / 'models.config'}", "--engine=tensorflow", ALLOW_LABELS).ready()


class NoEngine:
    """Remembers whether it was closed."""

    def __init__(self) -> None:
        self.closed = False

    def run(self, *_: Any) -> Any:
        raise NotImplementedError

    def close(self) -> None:
        self.closed = True


class Queue(Executor):
    """Runs what was submitted when the test says so."""

    def __init__(self) -> None:
        self.work: list[Callable[[], Any]] = []

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        self.work.append(lambda: fn(*args, **kwargs))
        return Future()

    def run(self) -> int:
        work, self.work = self.work, []
        for call in work:
            call()
        return len(work)


class Stage:
    """A manager of model m, whose loads fail for versions in `broken`."""

    def __init__(self, path: Path, retries: int, interval_s: float = 0.0) -> None:
        self.path = path
        self.broken: set[int] = set()
        self.loads: list[int] = []
        self.loaded_from = path
        """Where the last load looked."""
        self.meanwhile: Callable[[], None] = lambda: None
        """Happens during each load."""
        self.engines: dict[int, NoEngine] = {}
        self.monitor = ServableStateMonitor()
        self.loading, self.unloading = Queue(), Queue()
        self.manager = AspiredVersionsManager(
            self.load, self.monitor, RetryPolicy(retries, interval_s), self.loading, self.unloading
        )

    def load(self, name: str, version: int, path: Path) -> Servable:
        self.loads.append(version)
        self.loaded_from = path
        self.meanwhile()
        if version in self.broken and path.is_relative_to(self.path):
            raise UnavailableError("broken")
        self.engines[version] = NoEngine()
        return Servable(name, version, {}, self.engines[version])

    def aspire(self, *versions: int, base: Path | None = None) -> None:
        self.manager.set_aspired({"m": {version: (base or self.path) / str(version) for version in versions}})
        self.manager.step()

    def settle(self) -> None:
        self.manager.step()
        while self.loading.run() + self.unloading.run():
            self.manager.step()

    def states(self) -> dict[int, str]:
        return {version: state.state.name for version, state in self.monitor.versions("m").items()}


@pytest.fixture
def make_stage(tmp_path: Path) -> Callable[..., Stage]:
    """Makes a manager of a model whose versions 1 to 4 are there."""
    for version in range(1, 5):
        (tmp_path / str(version)).mkdir()
    return partial(Stage, tmp_path)


@pytest.fixture
def stage(make_stage: Callable[..., Stage]) -> Stage:
    """One that tries three times."""
    return make_stage(retries=2)
