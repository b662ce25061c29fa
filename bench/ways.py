"""The ways to an answer that are compared: each is one call for one image."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import grpc.aio
import numpy as np
from braintumor.v1.classifier_service_pb2 import PredictRequest
from braintumor.v1.classifier_service_pb2_grpc import ClassifierServiceStub

from gateway.backend.served_version import INPUT, read_signatures
from gateway.imaging import ImageArray, InputSpec, decode, preprocess
from tfserving_api import messages
from tfserving_api.tensors import write_array

Call = Callable[[bytes], Awaitable[object]]
Way = Callable[[str, int], AbstractAsyncContextManager[Call]]

MODEL_NAME = "brain_tumor"
TIMEOUT_S = 20.0
ECHO_METHOD = "/bench.Echo/Echo"
BARE_METHOD = "/bench.Bare/Run"
_SERVING = "tensorflow.serving.PredictionService"


@asynccontextmanager
async def through_gateway(address: str, callers: int) -> AsyncIterator[Call]:
    """The image to the gateway, which does all the rest."""
    del callers
    async with grpc.aio.insecure_channel(address) as channel:
        stub = ClassifierServiceStub(channel)
        yield lambda image: stub.Predict(PredictRequest(image=image), timeout=TIMEOUT_S)


@asynccontextmanager
async def straight_to_serving(address: str, callers: int) -> AsyncIterator[Call]:
    """Decoding and preprocessing here, then one image to serving."""
    # A lone caller gains nothing from a thread, and would pay for the way there and back.
    threads = None if callers == 1 else ThreadPoolExecutor(os.cpu_count(), "decode")
    loop = asyncio.get_running_loop()
    async with grpc.aio.insecure_channel(address) as channel:
        predict = serving_method(channel, "Predict", messages.PredictResponse)
        look_up = serving_method(channel, "GetModelMetadata", messages.GetModelMetadataResponse)
        spec = read_spec(await look_up(metadata_request(), timeout=TIMEOUT_S))

        async def call(image: bytes) -> object:
            if threads is None:
                request = _request(image, spec)
            else:
                request = await loop.run_in_executor(threads, _request, image, spec)
            return await predict(request, timeout=TIMEOUT_S)

        yield call
    if threads:
        threads.shutdown()


@asynccontextmanager
async def to_an_echo(address: str, callers: int) -> AsyncIterator[Call]:
    """The image to a server that does nothing: what gRPC itself costs."""
    del callers
    async with grpc.aio.insecure_channel(address) as channel:
        echo: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(ECHO_METHOD)
        yield lambda image: echo(image, timeout=TIMEOUT_S)


WAYS: dict[str, Way] = {"gateway": through_gateway, "serving": straight_to_serving, "echo": to_an_echo}


def _request(image: bytes, spec: InputSpec) -> Any:
    return predict_request(preprocess(decode(image), spec)[np.newaxis])


def predict_request(images: ImageArray) -> Any:
    """Makes a call of images uint8 [N, H, W, C], which are preprocessed."""
    request = messages.PredictRequest()
    request.model_spec.name = MODEL_NAME
    write_array(images, request.inputs[INPUT])
    return request


def metadata_request() -> Any:
    """Makes a call that asks for the signatures."""
    request = messages.GetModelMetadataRequest(metadata_field=["signature_def"])
    request.model_spec.name = MODEL_NAME
    return request


def read_spec(answer: Any) -> InputSpec:
    """Returns the size of an image, by the signatures."""
    signatures = messages.SignatureDefMap.FromString(answer.metadata["signature_def"].value)
    return read_signatures(answer.model_spec.version.value, signatures).spec


def serving_method(channel: Any, name: str, response: Any) -> Any:
    """Returns a method of serving's PredictionService, on a channel of either kind."""
    return channel.unary_unary(
        f"/{_SERVING}/{name}",
        request_serializer=lambda message: message.SerializeToString(),
        response_deserializer=response.FromString,
    )
