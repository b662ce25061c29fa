"""A TensorFlow Serving that is a tiny working model; `conftest.py` loads it."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import grpc
import numpy as np

from tfserving_api.messages import (
    DT_UINT8,
    GetModelMetadataRequest,
    GetModelMetadataResponse,
    PredictRequest,
    PredictResponse,
    SignatureDefMap,
)

_DT_FLOAT, _DT_INT64 = 1, 9


@dataclass
class FakeVersion:
    """A version whose P(tumor) is the mean brightness of the image."""

    height: int = 8
    width: int = 8
    channels: int = 1
    outputs: tuple[str, ...] = ("probabilities", "ood_score", "label", "reliability")
    explains: bool = True
    heat: float = 1.0
    """Of a white pixel, in the heatmap."""
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
            outputs["heatmap"] = (images[:, ::4, ::4, 0] / 255 * self.heat).astype("<f4")
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
    traceparents: list[str | bytes | None] = field(default_factory=list)
    refusals: list[RefusalError] = field(default_factory=list)
    """Ends of the next predict calls."""
    spoilt_by: int | None = None
    """A first pixel that makes the model fail on the whole batch."""
    in_flight: int = 0
    most_in_flight: int = 0
    cancelled: int = 0
    port: int = 0
    credentials: Any = None
    """Of its port, from the next start on; without them it is plain text."""
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
        if self.credentials:
            self.port = self._server.add_secure_port(self.address, self.credentials)
        else:
            self.port = self._server.add_insecure_port(self.address)
        await self._server.start()

    async def stop(self) -> None:
        await self._server.stop(None)

    async def _predict(self, request: Any, context: Any) -> Any:
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        self.batch_sizes.append(request.inputs["images"].tensor_shape.dim[0].size)
        self.timeouts_s.append(context.time_remaining())
        self.traceparents.append(dict(context.invocation_metadata()).get("traceparent"))
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
        response = GetModelMetadataResponse()
        try:
            number = self._resolve(request.model_spec)
            response.metadata["signature_def"].Pack(self.versions[number].signatures())
        except RefusalError as refusal:
            await context.abort(refusal.code, refusal.details)
        response.model_spec.name = request.model_spec.name
        response.model_spec.version.value = number
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
            raise RefusalError(
                grpc.StatusCode.NOT_FOUND, f"Servable not found for request: Specific({spec.name}, {number})"
            )
        return number
