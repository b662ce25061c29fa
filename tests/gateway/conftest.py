"""A gateway on port 0, and a TensorFlow Serving that is a tiny working model."""

import asyncio
import inspect
import io
import json
import os
import sys
import time
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from braintumor.v1 import classifier_service_pb2_grpc
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from PIL import Image

from gateway import server
from gateway.server import CLASSIFIER_SERVICE, running_gateway
from gateway.settings import Settings
from tfserving_api.messages import (
    DT_UINT8,
    GetModelMetadataRequest,
    GetModelMetadataResponse,
    PredictRequest,
    PredictResponse,
    SignatureDefMap,
)

_PATIENCE_S = 20.0
_DT_FLOAT, _DT_INT64 = 1, 9


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Runs a test that is a coroutine in an event loop of its own."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = inspect.signature(pyfuncitem.obj).parameters
    asyncio.run(pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names}))
    return True


@dataclass
class FakeVersion:
    """A version whose P(tumor) is the mean brightness of the image."""

    height: int = 8
    width: int = 8
    channels: int = 1
    outputs: tuple[str, ...] = ("probabilities", "ood_score", "label", "reliability")
    explains: bool = True
    typed_fields: bool = True
    dtype: int = DT_UINT8

    def signatures(self) -> Any:
        found = SignatureDefMap()
        for name in ("serving_default", "explain") if self.explains else ("serving_default",):
            tensor = found.signature_def[name].inputs["images"]
            tensor.dtype = self.dtype
            for size in (-1, self.height, self.width, self.channels):
                tensor.tensor_shape.dim.add(size=size)
        return found

    def run(self, images: Any, signature: str, response: Any) -> None:
        probability = images.reshape(len(images), -1).mean(axis=1) / 255
        values = {
            "probabilities": np.stack([1 - probability, probability], axis=1).astype("<f4"),
            "ood_score": (probability * 10).astype("<f4"),
            "label": (probability >= 0.5).astype("<i8"),
            "reliability": np.where(probability > 0.9, 3, np.where(abs(probability - 0.5) < 0.1, 2, 1)).astype("<i8"),
        }
        outputs = {name: values[name] for name in self.outputs}
        if signature == "explain":
            outputs["heatmap"] = (images[:, ::4, ::4, 0] / 255).astype("<f4")
        for name, array in outputs.items():
            tensor = response.outputs[name]
            tensor.dtype = _DT_FLOAT if array.dtype.kind == "f" else _DT_INT64
            for size in array.shape:
                tensor.tensor_shape.dim.add(size=size)
            if self.typed_fields:
                (tensor.float_val if array.dtype.kind == "f" else tensor.int64_val).extend(array.ravel().tolist())
            else:
                tensor.tensor_content = array.tobytes()


@dataclass
class RefusalError(Exception):
    """How the fake refuses a call."""

    code: grpc.StatusCode
    details: str


@dataclass
class FakeServing:
    """Speaks TensorFlow Serving's gRPC API, and keeps a record of its predict calls."""

    versions: dict[int, FakeVersion] = field(default_factory=lambda: {1: FakeVersion()})
    labels: dict[str, int] = field(default_factory=dict)
    batch_sizes: list[int] = field(default_factory=list)
    timeouts_s: list[float] = field(default_factory=list)
    refusals: list[RefusalError] = field(default_factory=list)
    """Ends of the next predict calls."""
    spoilt_by: int | None = None
    """A first pixel that makes the model fail on the whole batch."""
    in_flight: int = 0
    most_in_flight: int = 0
    cancelled: int = 0
    port: int = 0
    _server: Any = None

    def __post_init__(self) -> None:
        self.open = asyncio.Event()
        """Predict calls wait for it."""
        self.open.set()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def start(self) -> None:
        self._server = grpc.aio.server(options=[("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", -1)])
        handlers = {
            "Predict": grpc.unary_unary_rpc_method_handler(
                self._predict, PredictRequest.FromString, PredictResponse.SerializeToString
            ),
            "GetModelMetadata": grpc.unary_unary_rpc_method_handler(
                self._get_model_metadata,
                GetModelMetadataRequest.FromString,
                GetModelMetadataResponse.SerializeToString,
            ),
        }
        service = grpc.method_handlers_generic_handler("tensorflow.serving.PredictionService", handlers)
        self._server.add_generic_rpc_handlers([service])
        self.port = self._server.add_insecure_port(self.address)
        await self._server.start()

    async def stop(self) -> None:
        await self._server.stop(None)

    async def _predict(self, request: Any, context: Any) -> Any:
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        self.batch_sizes.append(request.inputs["images"].tensor_shape.dim[0].size)
        self.timeouts_s.append(context.time_remaining())
        try:
            await self.open.wait()
            if self.refusals:
                raise self.refusals.pop(0)
            return self._answer(request)
        except RefusalError as refusal:
            await context.abort(refusal.code, refusal.details)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.in_flight -= 1

    def _answer(self, request: Any) -> Any:
        number = self._resolve(request.model_spec)
        tensor = request.inputs["images"]
        shape = [dim.size for dim in tensor.tensor_shape.dim]
        images = np.frombuffer(tensor.tensor_content, np.uint8).reshape(shape)
        version = self.versions[number]
        if shape[1:] != [version.height, version.width, version.channels]:
            raise RefusalError(grpc.StatusCode.INVALID_ARGUMENT, "Matrix size-incompatible")
        if self.spoilt_by is not None and (images[:, 0, 0, 0] == self.spoilt_by).any():
            raise RefusalError(grpc.StatusCode.INVALID_ARGUMENT, "Input to reshape is a tensor with 4 values")
        response = PredictResponse()
        response.model_spec.name = request.model_spec.name
        response.model_spec.version.value = number
        version.run(images, request.model_spec.signature_name, response)
        return response

    async def _get_model_metadata(self, request: Any, context: Any) -> Any:
        try:
            number = self._resolve(request.model_spec)
        except RefusalError as refusal:
            await context.abort(refusal.code, refusal.details)
        response = GetModelMetadataResponse()
        response.model_spec.name = request.model_spec.name
        response.model_spec.version.value = number
        response.metadata["signature_def"].Pack(self.versions[number].signatures())
        return response

    def _resolve(self, spec: Any) -> int:
        choice = spec.WhichOneof("version_choice")
        if choice == "version_label":
            if spec.version_label not in self.labels:
                message = f"Unrecognized servable version label: {spec.version_label}"
                raise RefusalError(grpc.StatusCode.INVALID_ARGUMENT, message)
            number = self.labels[spec.version_label]
        elif choice == "version":
            number = spec.version.value
        elif self.versions:
            number = max(self.versions)
        else:
            raise RefusalError(grpc.StatusCode.NOT_FOUND, f"Servable not found for request: Latest({spec.name})")
        if number not in self.versions:
            raise RefusalError(grpc.StatusCode.NOT_FOUND, f"Servable not found for request: Specific({spec.name}, {number})")
        return number


@dataclass
class RunningGateway:
    """A gateway, and a caller of it."""

    address: str
    channel: Any
    inside: dict[str, Any]

    def __post_init__(self) -> None:
        self.classifier = classifier_service_pb2_grpc.ClassifierServiceStub(self.channel)
        self.health = health_pb2_grpc.HealthStub(self.channel)

    @property
    def in_work(self) -> int:
        """Images of Predict calls between arrival and answer."""
        return int(self.inside["Classifier"]._queued_images)

    @property
    def waiting(self) -> int:
        """Images that wait for a call to serving."""
        return len(self.inside["Batcher"]._waiting)

    async def is_serving(self) -> bool:
        return await _is_serving(self)


async def _is_serving(gateway: Any) -> bool:
    answer = await gateway.health.Check(health_pb2.HealthCheckRequest(service=CLASSIFIER_SERVICE))
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


async def _until(condition: Callable[[], Awaitable[bool] | bool], patience_s: float = _PATIENCE_S) -> None:
    deadline = time.monotonic() + patience_s
    while True:
        holds = condition()
        if holds if isinstance(holds, bool) else await holds:
            return
        assert time.monotonic() < deadline, f"not within {patience_s} s"
        await asyncio.sleep(0.01)


@pytest.fixture(scope="session")
def until() -> Callable[..., Awaitable[None]]:
    """Waits until a condition, or a coroutine function's answer, holds."""
    return _until


@pytest.fixture(scope="session")
def fake_version() -> type[FakeVersion]:
    return FakeVersion


@pytest.fixture(scope="session")
def refusal() -> type[RefusalError]:
    return RefusalError


@pytest.fixture(scope="session")
def start_serving() -> Callable[..., AbstractAsyncContextManager[FakeServing]]:
    """Runs a fake serving; takes the fields of FakeServing."""

    @asynccontextmanager
    async def _start(**fields: Any) -> AsyncIterator[FakeServing]:
        serving = FakeServing(**fields)
        await serving.start()
        try:
            yield serving
        finally:
            serving.open.set()
            await serving.stop()

    return _start


@contextmanager
def _built(*names: str) -> Iterator[dict[str, Any]]:
    """Catches what the composition root builds, to look at it from a test."""
    found: dict[str, Any] = {}

    def _catch(name: str, build: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *args: found.setdefault(name, build(*args))

    with pytest.MonkeyPatch.context() as patch:
        for name in names:
            patch.setattr(server, name, _catch(name, getattr(server, name)))
        yield found


@pytest.fixture(scope="session")
def start_gateway() -> Callable[..., AbstractAsyncContextManager[RunningGateway]]:
    """Runs a gateway on a fake serving, and waits until it serves; takes settings."""

    @asynccontextmanager
    async def _start(serving: FakeServing, ready: bool = True, **settings: Any) -> AsyncIterator[RunningGateway]:
        settings = {"address": "127.0.0.1:0", "serving_address": serving.address, "drain_grace_s": 1.0, **settings}
        with _built("Classifier", "Batcher") as inside:
            async with running_gateway(Settings(**settings)) as address, grpc.aio.insecure_channel(address) as channel:
                gateway = RunningGateway(address, channel, inside)
                if ready:
                    await _until(gateway.is_serving)
                yield gateway

    return _start


@dataclass
class GatewayProcess:
    """`python -m gateway` in a process of its own."""

    process: asyncio.subprocess.Process
    address: str
    channel: Any
    log_file: Path

    def __post_init__(self) -> None:
        self.classifier = classifier_service_pb2_grpc.ClassifierServiceStub(self.channel)
        self.health = health_pb2_grpc.HealthStub(self.channel)

    def logs(self) -> list[dict[str, Any]]:
        """All it logged so far."""
        return [json.loads(line) for line in self.log_file.read_text().splitlines()]


@pytest.fixture
def spawn_gateway(tmp_path: Path) -> Callable[..., AbstractAsyncContextManager[GatewayProcess]]:
    """Runs a gateway process on a fake serving, and waits until it serves; takes environment variables."""

    @asynccontextmanager
    async def _spawn(serving: FakeServing, **variables: str) -> AsyncIterator[GatewayProcess]:
        variables = {"GATEWAY_ADDRESS": "127.0.0.1:0", "SERVING_ADDRESS": serving.address, **variables}
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
                gateway = GatewayProcess(process, address, channel, log_file)
                await _until(lambda: _is_serving(gateway))
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
