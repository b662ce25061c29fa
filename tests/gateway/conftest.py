"""A gateway on port 0, and a TensorFlow Serving that is a tiny working model."""

import asyncio
import importlib.util
import io
import json
import os
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from braintumor.v1 import classifier_service_pb2_grpc
from braintumor.v1.classifier_service_pb2 import PredictRequest
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from PIL import Image

from gateway import server
from gateway.interceptors import receiving
from gateway.server import CLASSIFIER_SERVICE, running_gateway
from gateway.settings import Settings

_PATIENCE_S = 20.0
_NOWHERE = "127.0.0.1:1"

# Tests are no package, so the module beside this one is loaded by its path.
_spec = importlib.util.spec_from_file_location("gateway_fake_serving", Path(__file__).with_name("fake_serving.py"))
assert _spec is not None
assert _spec.loader is not None
fake_serving = importlib.util.module_from_spec(_spec)
sys.modules[_spec.name] = fake_serving  # Where dataclasses look for it.
_spec.loader.exec_module(fake_serving)


@dataclass
class Reached:
    """A gateway, and a caller of it."""

    address: str
    channel: Any

    def __post_init__(self) -> None:
        self.classifier = classifier_service_pb2_grpc.ClassifierServiceStub(self.channel)
        self.health = health_pb2_grpc.HealthStub(self.channel)

    def predict(self, image: bytes, timeout: float | None = None, metadata: Any = None, **fields: Any) -> Any:
        """Begins a call of Predict; the fields are those of its request."""
        return self.classifier.Predict(PredictRequest(image=image, **fields), timeout=timeout, metadata=metadata)

    async def is_serving(self) -> bool:
        answer = await self.health.Check(health_pb2.HealthCheckRequest(service=CLASSIFIER_SERVICE))
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


@dataclass
class RunningGateway(Reached):
    """A gateway in this process."""

    inside: dict[str, Any]

    @property
    def in_work(self) -> int:
        """Images of Predict calls between arrival and answer."""
        return int(self.inside["Room"].images)

    @property
    def waiting(self) -> int:
        """Images that wait for a call to serving."""
        return len(self.inside["Batcher"]._waiting)

    @property
    def answering(self) -> list[str]:
        """Replicas of serving that answered when they were last heard of."""
        return [target for target, replica in self.inside["Fleet"]._replicas.items() if replica.answers]


@pytest.fixture(scope="session")
def fake_version() -> Any:
    return fake_serving.FakeVersion


@pytest.fixture(scope="session")
def refusal() -> Any:
    return fake_serving.RefusalError


@pytest.fixture(scope="session")
def start_serving() -> Callable[..., AbstractAsyncContextManager[Any]]:
    """Runs a fake serving; takes the fields of FakeServing."""

    @asynccontextmanager
    async def _start(**fields: Any) -> AsyncIterator[Any]:
        serving = fake_serving.FakeServing(**fields)
        await serving.start()
        try:
            yield serving
        finally:
            serving.open.set()
            await serving.stop()

    return _start


@pytest.fixture(scope="session")
def server_credentials() -> Callable[[Any], grpc.ServerCredentials]:
    """Makes those of a port from an Identity."""

    def _credentials(own: Any) -> grpc.ServerCredentials:
        return grpc.ssl_server_credentials([(own.key.read_bytes(), own.certificate.read_bytes())])

    return _credentials


@contextmanager
def _built(**modules: Any) -> Iterator[dict[str, Any]]:
    """Catches what a module builds of each class, to look at it from a test."""
    found: dict[str, Any] = {}

    def _catch(name: str, build: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *args: found.setdefault(name, build(*args))

    with pytest.MonkeyPatch.context() as patch:
        for name, module in modules.items():
            patch.setattr(module, name, _catch(name, getattr(module, name)))
        yield found


@pytest.fixture(scope="session")
def start_gateway(until: Any) -> Callable[..., AbstractAsyncContextManager[RunningGateway]]:
    """Runs a gateway on a fake serving, and waits until it serves; takes settings."""

    @asynccontextmanager
    async def _start(serving: Any, ready: bool = True, **settings: Any) -> AsyncIterator[RunningGateway]:
        settings = {
            "address": "127.0.0.1:0",
            "serving_address": serving.address,
            "trainer_address": _NOWHERE,
            "drain_grace_s": 1.0,
            **settings,
        }
        with _built(Room=receiving, Batcher=server, Canary=server, Fleet=server) as inside:
            async with running_gateway(Settings(**settings)) as address, grpc.aio.insecure_channel(address) as channel:
                gateway = RunningGateway(address, channel, inside)
                if ready:
                    await until(gateway.is_serving)
                yield gateway

    return _start


@dataclass
class GatewayProcess(Reached):
    """`python -m gateway` in a process of its own."""

    process: asyncio.subprocess.Process
    log_file: Path

    def logs(self) -> list[dict[str, Any]]:
        """All it logged so far."""
        return [json.loads(line) for line in self.log_file.read_text().splitlines()]


@pytest.fixture
def spawn_gateway(tmp_path: Path, until: Any) -> Callable[..., AbstractAsyncContextManager[GatewayProcess]]:
    """Runs a gateway process on a fake serving, and waits until it serves; takes environment variables."""

    @asynccontextmanager
    async def _spawn(serving: Any, **variables: str) -> AsyncIterator[GatewayProcess]:
        variables = {
            "GATEWAY_ADDRESS": "127.0.0.1:0",
            "SERVING_ADDRESS": serving.address,
            "TRAINER_ADDRESS": _NOWHERE,
            "TMPDIR": str(tmp_path),  # one that is killed tidies nothing up
            **variables,
        }
        log_file = tmp_path / "gateway.log"
        with log_file.open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "gateway", stdout=PIPE, stderr=log, env={**os.environ, **variables}
            )
        try:
            assert process.stdout is not None
            line = (await asyncio.wait_for(process.stdout.readline(), _PATIENCE_S)).decode()
            assert line.startswith("Gateway listening on "), log_file.read_text()
            address = line.split()[-1]
            async with grpc.aio.insecure_channel(address) as channel:
                gateway = GatewayProcess(address, channel, process, log_file)
                await until(gateway.is_serving)
                yield gateway
        finally:
            if process.returncode is None:
                process.terminate()
            await asyncio.wait_for(process.wait(), _PATIENCE_S)

    return _spawn


@pytest.fixture(scope="session")
def png() -> Callable[..., bytes]:
    """Encodes a small slice of a given mean brightness; its first pixel has that very brightness."""

    def _png(brightness: int, size: int = 8) -> bytes:
        pixels = np.full((size, size), brightness, np.uint8)
        pixels[-1, -1] ^= 1  # A constant image is refused.
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "PNG")
        return file.getvalue()

    return _png


@dataclass
class Told:
    """What a failed call told its caller."""

    code: grpc.StatusCode
    message: str
    reason: str
    field: str | None = None
    retry_after_s: float | None = None


@pytest.fixture(scope="session")
def told() -> Callable[[grpc.aio.AioRpcError | status_pb2.Status], Told]:
    """Reads a gRPC error, or a google.rpc.Status, with its details."""

    def _told(failure: Any) -> Told:
        if isinstance(failure, grpc.aio.AioRpcError):
            status = status_pb2.Status.FromString(dict(failure.trailing_metadata())["grpc-status-details-bin"])
            assert (status.code, status.message) == (failure.code().value[0], failure.details())
        else:
            status = failure
        code = next(code for code in grpc.StatusCode if code.value[0] == status.code)
        found = Told(code, status.message, "")
        for detail in status.details:
            info, request, retry = (
                error_details_pb2.ErrorInfo(),
                error_details_pb2.BadRequest(),
                error_details_pb2.RetryInfo(),
            )
            if detail.Unpack(info):
                assert info.domain == "braintumor"
                found.reason = info.reason
            elif detail.Unpack(request):
                found.field = request.field_violations[0].field
            elif detail.Unpack(retry):
                found.retry_after_s = retry.retry_delay.ToTimedelta().total_seconds()
        return found

    return _told


@pytest.fixture(scope="session")
def failure_of(told: Callable[[Any], Told]) -> Callable[[Awaitable[Any]], Awaitable[Told]]:
    """Awaits a call that has to fail, and returns what it told."""

    async def _failure_of(call: Awaitable[Any]) -> Told:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call
        return told(caught.value)

    return _failure_of
