"""Calls to TensorFlow Serving, and its errors in the gateway's words."""

import logging
import math
from collections.abc import Sequence
from typing import Any

import grpc
import numpy as np
from google.protobuf.message import DecodeError
from numpy.typing import NDArray

from gateway.backend.channel import MAX_ANSWER_BYTES, TOO_LONG
from gateway.backend.served_version import INPUT, Selector, ServedVersion, read_signatures
from gateway.errors import (
    DeadlineExceededError,
    GatewayError,
    ModelFailedError,
    ModelVersionNotFoundError,
    NoModelError,
    ServingBusyError,
    ServingUnavailableError,
    VersionGoneError,
    VersionLabelNotFoundError,
)
from gateway.imaging import ImageArray
from observability import tracing
from tfserving_api.messages import (
    GetModelMetadataRequest,
    GetModelMetadataResponse,
    ModelSpec,
    PredictRequest,
    PredictResponse,
    SignatureDefMap,
)
from tfserving_api.tensors import numpy_dtype, to_array, write_array

_SERVICE = "/tensorflow.serving.PredictionService"
_FIELD = "signature_def"

_logger = logging.getLogger(__name__)


class ServingClient:
    """One model of a TensorFlow Serving."""

    def __init__(self, channel: grpc.aio.Channel, model_name: str) -> None:
        self._model_name = model_name
        # Answers are read here, and not by gRPC, which makes None of what is no message.
        self._predict: Any = channel.unary_unary(f"{_SERVICE}/Predict", PredictRequest.SerializeToString)
        self._get_model_metadata: Any = channel.unary_unary(
            f"{_SERVICE}/GetModelMetadata", GetModelMetadataRequest.SerializeToString
        )

    async def predict(
        self, version: int, signature: str, images: Sequence[ImageArray], timeout_s: float
    ) -> dict[str, NDArray[Any]]:
        """Runs a signature of a version on N images of one shape.

        Returns:
          All outputs of the signature by name, each with N rows.

        Raises:
          VersionGoneError, ServingBusyError, ServingUnavailableError, DeadlineExceededError: as they say.
          ModelFailedError: any other status, or an answer that is no N rows of outputs.
        """
        request = PredictRequest(model_spec=self._spec(version))
        request.model_spec.signature_name = signature
        write_array(np.stack(images), request.inputs[INPUT])
        try:
            answer = await self._predict(request, timeout=timeout_s, metadata=tracing.outgoing())
        except grpc.aio.AioRpcError as err:
            raise _predict_error(err, version) from err
        return _outputs(answer, len(images))

    async def look_up(self, selector: Selector, timeout_s: float) -> ServedVersion:
        """Asks which version a selector leads to at present, and how to feed it.

        Raises:
          ModelVersionNotFoundError: the version, or the one behind the label, is not served.
          VersionLabelNotFoundError: there is no such label.
          NoModelError: no selector was given, and serving holds no version at all.
          UnsupportedSignatureError: the version cannot be fed.
          ServingBusyError: as it says.
          ServingUnavailableError: it cannot be reached, or does not speak as TensorFlow Serving does.
        """
        request = GetModelMetadataRequest(model_spec=self._spec(selector), metadata_field=[_FIELD])
        try:
            answer = await self._get_model_metadata(request, timeout=timeout_s)
        except grpc.aio.AioRpcError as err:
            raise _look_up_error(err, selector) from err
        try:
            response = GetModelMetadataResponse.FromString(answer)
            signatures = SignatureDefMap.FromString(response.metadata[_FIELD].value)
        except DecodeError as err:
            raise ServingUnavailableError("What the model server says cannot be read.") from err
        return read_signatures(response.model_spec.version.value, signatures)

    def _spec(self, selector: Selector) -> Any:
        spec = ModelSpec(name=self._model_name)
        match selector:
            case int():
                spec.version.value = selector
            case str():
                spec.version_label = selector
        return spec


def _outputs(answer: bytes, rows: int) -> dict[str, NDArray[Any]]:
    try:
        tensors = PredictResponse.FromString(answer).outputs
        # Before any array is made: a few bytes can claim more values than there is memory.
        if any([dim.size for dim in tensor.tensor_shape.dim[:1]] != [rows] for tensor in tensors.values()):
            raise ModelFailedError("The model did not answer with one row for each image.")
        if sum(map(_claimed_bytes, tensors.values())) > MAX_ANSWER_BYTES:
            raise ModelFailedError("The model's answer is too long.")
        return {name: to_array(tensor) for name, tensor in tensors.items()}
    except (DecodeError, ValueError) as err:
        raise ModelFailedError("The model's answer cannot be read.") from err


def _claimed_bytes(tensor: Any) -> int:
    # What is negative makes up for nothing that others claim.
    values: int = math.prod(max(0, dim.size) for dim in tensor.tensor_shape.dim)
    return values * numpy_dtype(tensor.dtype).itemsize


def _predict_error(err: grpc.aio.AioRpcError, version: int) -> GatewayError:
    match err.code():
        case grpc.StatusCode.NOT_FOUND:
            return VersionGoneError(f"Version {version} of the model is not served any more.")
        case grpc.StatusCode.DEADLINE_EXCEEDED:
            return DeadlineExceededError("The model did not answer within the call's deadline.")
        case _:
            return _passing_error(err) or ModelFailedError("The model failed on the image.")


def _look_up_error(err: grpc.aio.AioRpcError, selector: Selector) -> GatewayError:
    match err.code(), selector:
        case grpc.StatusCode.INVALID_ARGUMENT, str():
            return VersionLabelNotFoundError(f"No version of the model is labelled {selector!r}.")
        case grpc.StatusCode.NOT_FOUND, str():
            return ModelVersionNotFoundError(f"The version labelled {selector!r} is not served at present.")
        case grpc.StatusCode.NOT_FOUND, int():
            return ModelVersionNotFoundError(f"Version {selector} of the model is not served.")
        case grpc.StatusCode.NOT_FOUND, _:
            return NoModelError("No version of the model is served at present.")
        case grpc.StatusCode.DEADLINE_EXCEEDED, _:
            return ServingUnavailableError("The model server does not answer.")
        case _:
            return _passing_error(err) or ServingUnavailableError("The model server does not tell what it holds.")


def _passing_error(err: grpc.aio.AioRpcError) -> GatewayError | None:
    match err.code():
        # A server that goes away cancels the calls that it works on.
        case grpc.StatusCode.UNAVAILABLE | grpc.StatusCode.CANCELLED:
            return ServingUnavailableError("The model server cannot be reached.")
        case grpc.StatusCode.RESOURCE_EXHAUSTED if TOO_LONG not in (err.details() or ""):
            return ServingBusyError("The model server is busy.")
        case code:
            _logger.warning("serving refused a call", extra={"status": code.name, "refusal": err.details()})
            return None
