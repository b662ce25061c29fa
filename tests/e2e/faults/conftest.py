"""The real parts, each of which can be killed, stopped and spoilt while callers look at the gateway."""

import importlib.util
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from braintumor.errors import ServiceError, from_status, service_errors
from braintumor.v1 import classifier_service_pb2 as pb
from braintumor.v1.classifier_service_pb2_grpc import ClassifierServiceStub
from braintumor.v1.model_service_pb2_grpc import ModelServiceStub
from braintumor.v1.trainer_service_pb2_grpc import TrainerServiceStub
from google.longrunning.operations_pb2_grpc import OperationsStub
from grpc_health.v1 import health_pb2, health_pb2_grpc

_PATIENCE_S = 60.0
_GATEWAY = {"GATEWAY_ADDRESS": "127.0.0.1:0", "GATEWAY_DEFAULT_DEADLINE_S": "2"}


def _loaded(name: str) -> Any:
    """Loads a module beside this one by its path, since tests are no package."""
    spec = importlib.util.spec_from_file_location(f"faults_{name}", Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_relay, _raw_caller = _loaded("relay"), _loaded("raw_caller")


class Part:
    """A process that comes back at the same address.

    Args:
      start: starts it at a port and returns the Service.
    """

    def __init__(self, start: Callable[[int], Any]) -> None:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            port = listener.getsockname()[1]
        self._start = lambda: start(port)
        self.service = self._start()
        self.address = f"127.0.0.1:{port}"

    def kill(self) -> None:
        self.service.process.kill()
        self.service.stop()

    def come_back(self) -> None:
        self.service = self._start()

    @contextmanager
    def hung(self) -> Iterator[None]:
        self.service.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.service.process.send_signal(signal.SIGCONT)


class Callers:
    """Calls of a gateway's services by their own deadlines, without a retry."""

    def __init__(self, gateway: Any, image: bytes) -> None:
        self.gateway = gateway
        self.channel = grpc.insecure_channel(gateway.address)
        self.request = pb.PredictRequest(image=image)
        self.classifier: Any = ClassifierServiceStub(self.channel)
        self.trainer: Any = TrainerServiceStub(self.channel)
        self.models: Any = ModelServiceStub(self.channel)
        self.operations: Any = OperationsStub(self.channel)
        self._health: Any = health_pb2_grpc.HealthStub(self.channel)

    def predict(self, timeout_s: float | None = None) -> pb.PredictResponse:
        """Without a deadline of the caller's, the gateway's own is what ends the call."""
        with service_errors():
            return self.classifier.Predict(self.request, timeout=timeout_s)

    def stream(self, count: int = 3) -> list[ServiceError | None]:
        """Returns what became of each image of a stream."""
        items = (pb.PredictStreamRequest(id=str(index), request=self.request) for index in range(count))
        answers = list(self.classifier.PredictStream(items))
        assert len({answer.id for answer in answers}) == count
        return [from_status(answer.error) if answer.HasField("error") else None for answer in answers]

    def serves(self, service: str = "braintumor.v1.ClassifierService") -> bool:
        answer = self._health.Check(health_pb2.HealthCheckRequest(service=service), timeout=30)
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


@pytest.fixture(scope="session")
def eventually() -> Callable[[Callable[[], Any]], Any]:
    """Waits until a condition holds, and returns what it returned."""

    def eventually(condition: Callable[[], Any]) -> Any:
        deadline = time.monotonic() + _PATIENCE_S
        while not (result := condition()):
            assert time.monotonic() < deadline, "waited in vain"
            time.sleep(0.02)
        return result

    return eventually


@pytest.fixture(scope="session")
def failure_of() -> Callable[[Callable[[], Any]], ServiceError]:
    """Makes a call that has to fail, and returns its error."""

    def failure_of(call: Callable[[], Any]) -> ServiceError:
        with pytest.raises(ServiceError) as caught, service_errors():
            call()
        assert "Traceback" not in caught.value.message
        return caught.value

    return failure_of


@pytest.fixture(scope="session")
def later() -> Callable[[Callable[[], Any]], Callable[[], Any]]:
    """Begins a call in the background; what it returns waits for its answer."""

    def later(call: Callable[[], Any]) -> Callable[[], Any]:
        answers: list[Any] = []
        thread = threading.Thread(target=lambda: answers.append(call()), daemon=True)
        thread.start()

        def answer() -> Any:
            thread.join(_PATIENCE_S)
            return answers[0]

        return answer

    return later


@pytest.fixture(scope="session")
def start_part() -> type[Part]:
    """Starts a process that can come back at its address; whoever does so stops it."""
    return Part


@pytest.fixture(scope="module")
def everywhere() -> dict[str, str]:
    """Variables of all processes."""
    return {}


@pytest.fixture(scope="module")
def serving(start_service: Any, data_root: Path, everywhere: dict[str, str]) -> Iterator[Part]:
    """Serving, on what the trainer says."""
    config = data_root / "models/models.config"
    flags = [f"--model_config_file={config}", "--model_config_file_poll_wait_seconds=1"]
    flags += ["--allow_version_labels_for_unavailable_models=true", "--max_num_load_retries=0"]
    environment = os.environ | {"DATA_ROOT": str(data_root)}
    subprocess.run([sys.executable, "-m", "trainer", "write-config"], env=environment, check=True, capture_output=True)
    part = Part(lambda port: start_service(["serving.modelserver", f"--port={port}", *flags], everywhere))
    yield part
    part.service.stop()


@pytest.fixture(scope="module")
def call(start_service: Any, slices: list[bytes], everywhere: dict[str, str]) -> Iterator[Callable[..., Callers]]:
    """Starts a gateway between serving and trainer, waits until it answers, and returns callers of it."""
    started = []

    def call(serving: Any, trainer_address: str = "127.0.0.1:1", *, ready: bool = True, **variables: str) -> Callers:
        environment = {"SERVING_ADDRESS": serving.address, "TRAINER_ADDRESS": trainer_address}
        callers = Callers(start_service(["gateway"], _GATEWAY | everywhere | environment | variables), slices[1])
        started.append(callers)
        if ready:
            callers.predict(30)
        return callers

    yield call
    for callers in started:
        callers.channel.close()
        callers.gateway.stop()


@pytest.fixture(scope="module")
def relay_to() -> Iterator[Callable[[Any], Any]]:
    """Puts a relay in front of a part."""
    relays = []

    def relay_to(part: Any) -> Any:
        relays.append(_relay.Relay(part.address))
        return relays[-1]

    yield relay_to
    for relay in relays:
        relay.close()


@pytest.fixture(scope="session")
def raw() -> Any:
    """Callers that speak HTTP/2 by hand."""
    return _raw_caller
