"""The real parts, each of which can be killed, stopped and spoilt while callers look at the gateway."""

import importlib.util
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from braintumor.errors import ServiceError, service_errors

_PATIENCE_S = 120.0
_GATEWAY = {"GATEWAY_ADDRESS": "127.0.0.1:0", "GATEWAY_DEFAULT_DEADLINE_S": "2"}


def _loaded(name: str) -> Any:
    """Loads a module beside this one by its path, since tests are no package."""
    spec = importlib.util.spec_from_file_location(f"faults_{name}", Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_disk, _parts, _relay = (_loaded(name) for name in ("disk", "parts", "relay"))


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
def start_part() -> Any:
    """Starts a process that can come back at its address; whoever does so stops it."""
    return _parts.Part


@pytest.fixture(scope="module")
def everywhere() -> dict[str, str]:
    """Variables of all processes."""
    return {}


@pytest.fixture(scope="module")
def serving(start_service: Any, data_root: Path, everywhere: dict[str, str]) -> Iterator[Any]:
    """Serving, on what the trainer says."""
    config = data_root / "models/models.config"
    flags = [f"--model_config_file={config}", "--model_config_file_poll_wait_seconds=1"]
    flags += ["--allow_version_labels_for_unavailable_models=true", "--max_num_load_retries=0"]
    environment = os.environ | {"DATA_ROOT": str(data_root)}
    subprocess.run([sys.executable, "-m", "trainer", "write-config"], env=environment, check=True, capture_output=True)
    part = _parts.Part(lambda port: start_service(["serving.modelserver", f"--port={port}", *flags], everywhere))
    yield part
    part.service.stop()


@pytest.fixture(scope="module")
def call(start_service: Any, slices: list[bytes], everywhere: dict[str, str]) -> Iterator[Callable[..., Any]]:
    """Starts a gateway between serving and trainer, waits until it answers, and returns callers of it."""
    started = []

    def call(serving: Any, trainer_address: str = "127.0.0.1:1", *, ready: bool = True, **variables: str) -> Any:
        environment = {"SERVING_ADDRESS": serving.address, "TRAINER_ADDRESS": trainer_address}
        callers = _parts.Callers(start_service(["gateway"], _GATEWAY | everywhere | environment | variables), slices[1])
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
def make_disk() -> Any:
    """Mounts a small file system; whoever does so closes it."""
    return _disk.Disk
