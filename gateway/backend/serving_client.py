"""Calls to TensorFlow Serving, and its errors in the gateway's words."""

import logging
from collections.abc import Sequence
from typing import Any

import grpc
import numpy as np
from numpy.typing import NDArray

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
from tfserving_api.tensors import to_array, write_array

_SERVICE = "/tensorflow.serving.PredictionService"
_FIELD = "signature_def"

_logger = logging.getLogger(__name__)


class ServingClient:
    """One model of a TensorFlow Serving."""

    def __init__(self, channel: grpc.aio.Channel, model_name: str) -> None:
        self._model_name = model_name
        self._predict = channel.unary_unary(
            f"{_SERVICE}/Predict", PredictRequest.SerializeToString, PredictResponse.FromString
        )
        self._get_model_metadata = channel.unary_unary(
            f"{_SERVICE}/GetModelMetadata",
            GetModelMetadataRequest.SerializeToString,
            GetModelMetadataResponse.FromString,
        )

    async def predict(
        self, version: int, signature: str, images: Sequence[ImageArray], timeout_s: float
    ) -> dict[str, NDArray[Any]]:
        """Runs a signature of a version on N images of one shape.

        Returns:
          All outputs of the signature by name, each with N rows.

        Raises:
          VersionGoneError, ServingBusyError, ServingUnavailableError, DeadlineExceededError: as they say.
          ModelFailedError: any other status, or outputs that are no N rows.
        """
        request = PredictRequest(model_spec=self._spec(version))
        request.model_spec.signature_name = signature
        write_array(np.stack(images), request.inputs[INPUT])
        try:
            response = await self._predict(request, timeout=timeout_s, metadata=tracing.outgoing(tracing.current.get()))
        except grpc.aio.AioRpcError as err:
            raise _predict_error(err, version) from err
        try:
            outputs = {name: to_array(tensor) for name, tensor in response.outputs.items()}
        except ValueError as err:
            raise ModelFailedError("The model answered with a tensor that cannot be read.") from err
        if any(output.shape[:1] != (len(images),) for output in outputs.values()):
            raise ModelFailedError("The model did not answer with one row for each image.")
        return outputs

    async def look_up(self, selector: Selector, timeout_s: float) -> ServedVersion:
        """Asks which version a selector leads to at present, and how to feed it.

        Raises:
          ModelVersionNotFoundError: the version, or the one behind the label, is not served.
          VersionLabelNotFoundError: there is no such label.
          NoModelError: no selector was given, and serving holds no version at all.
          UnsupportedSignatureError: the version cannot be fed.
          ServingBusyError, ServingUnavailableError, ModelFailedError: as they say.
        """
        request = GetModelMetadataRequest(model_spec=self._spec(selector), metadata_field=[_FIELD])
        try:
            response = await self._get_model_metadata(request, timeout=timeout_s)
        except grpc.aio.AioRpcError as err:
            raise _look_up_error(err, selector) from err
        signatures = SignatureDefMap()
        signatures.ParseFromString(response.metadata[_FIELD].value)
        return read_signatures(response.model_spec.version.value, signatures)

    def _spec(self, selector: Selector) -> Any:
        spec = ModelSpec(name=self._model_name)
        match selector:
            case int():
                spec.version.value = selector
            case str():
                spec.version_label = selector
        return spec


def _predict_error(err: grpc.aio.AioRpcError, version: int) -> GatewayError:
    match err.code():
        case grpc.StatusCode.NOT_FOUND:
            return VersionGoneError(f"Version {version} of the model is not served any more.")
        case grpc.StatusCode.DEADLINE_EXCEEDED:
            return DeadlineExceededError("The model did not answer within the call's deadline.")
        case _:
            return _common_error(err)


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
            return _common_error(err)


def _common_error(err: grpc.aio.AioRpcError) -> GatewayError:
    match err.code():
        # A server that goes away cancels the calls that it works on.
        case grpc.StatusCode.UNAVAILABLE | grpc.StatusCode.CANCELLED:
            return ServingUnavailableError("The model server cannot be reached.")
        case grpc.StatusCode.RESOURCE_EXHAUSTED:
            return ServingBusyError("The model server is busy.")
        case code:
            _logger.warning("serving refused a call", extra={"status": code.name, "refusal": err.details()})
            return ModelFailedError("The model failed on the image.")
