"""Calls to TensorFlow Serving: what it holds, and what it answers."""

import enum
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from tfserving_api.messages import (
    GetModelMetadataRequest,
    GetModelMetadataResponse,
    GetModelStatusRequest,
    GetModelStatusResponse,
    ModelSpec,
    PredictRequest,
    PredictResponse,
    ReloadConfigRequest,
    ReloadConfigResponse,
)
from trainer.errors import ServingRefusedError, ServingUnavailableError

AWAY = "serving cannot be reached, or is busy; try again"

_LOOK_TIMEOUT_S = 2.0
_PREDICT_TIMEOUT_S = 30.0

_PASSING = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.CANCELLED,  # a server that goes away cancels the calls that it works on
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.DEADLINE_EXCEEDED,
}


class VersionState(enum.IntEnum):
    """State of a version in serving. Numbers as in `ModelVersionStatus.State`."""

    UNKNOWN = 0
    START = 10
    LOADING = 20
    AVAILABLE = 30
    UNLOADING = 40
    END = 50


@dataclass(frozen=True, slots=True)
class VersionStatus:
    """Where a version is. `error` tells why it failed to load; empty where it did not."""

    state: VersionState = VersionState.UNKNOWN
    error: str = ""


class ServingClient:
    """One model of a TensorFlow Serving.

    Args:
      channel: to it.
      model_name: of the model.
      predict_timeout_s: how long an answer may take; None for half a minute.
    """

    def __init__(self, channel: grpc.aio.Channel, model_name: str, predict_timeout_s: float | None = None) -> None:
        self._model_name = model_name
        self._predict_timeout_s = predict_timeout_s or _PREDICT_TIMEOUT_S
        service = "/tensorflow.serving"
        # Answers are read here, and not by gRPC, which makes None of what is no message.
        self._get_model_status: Any = channel.unary_unary(
            f"{service}.ModelService/GetModelStatus", GetModelStatusRequest.SerializeToString
        )
        self._reload_config: Any = channel.unary_unary(
            f"{service}.ModelService/HandleReloadConfigRequest", ReloadConfigRequest.SerializeToString
        )
        self._get_model_metadata: Any = channel.unary_unary(
            f"{service}.PredictionService/GetModelMetadata", GetModelMetadataRequest.SerializeToString
        )
        self._predict: Any = channel.unary_unary(
            f"{service}.PredictionService/Predict", PredictRequest.SerializeToString
        )

    async def statuses(self) -> dict[int, VersionStatus]:
        """Returns the state of every version that serving has ever seen.

        Raises:
          ServingUnavailableError: it cannot be reached now, or is busy.
          ServingRefusedError: any other status, or an answer that cannot be read.
        """
        request = GetModelStatusRequest(model_spec=ModelSpec(name=self._model_name))
        try:
            response = _read(GetModelStatusResponse, await self._get_model_status(request, timeout=_LOOK_TIMEOUT_S))
        except grpc.aio.AioRpcError as err:
            if err.code() is grpc.StatusCode.NOT_FOUND:
                return {}
            raise _translated(err) from err
        return {status.version: _version_status(status) for status in response.model_version_status}

    async def version_labelled(self, label: str) -> int | None:
        """Returns the version that a label leads to; None where it leads to none that is loaded.

        Raises:
          ServingUnavailableError, ServingRefusedError: as for `statuses`.
        """
        spec = ModelSpec(name=self._model_name, version_label=label)
        request = GetModelMetadataRequest(model_spec=spec, metadata_field=["signature_def"])
        try:
            response = _read(GetModelMetadataResponse, await self._get_model_metadata(request, timeout=_LOOK_TIMEOUT_S))
        except grpc.aio.AioRpcError as err:
            if err.code() in {grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND}:
                return None
            raise _translated(err) from err
        return int(response.model_spec.version.value)

    async def reload(self, config: Any) -> None:
        """Has serving take a ModelServerConfig in the place of its file, until that is read again.

        Raises:
          ServingUnavailableError: as for `statuses`, or it waits for a model that is new to it.
          ServingRefusedError: as for `statuses`; the config is refused.
        """
        try:
            request = ReloadConfigRequest(config=config)
            _read(ReloadConfigResponse, await self._reload_config(request, timeout=_LOOK_TIMEOUT_S))
        except grpc.aio.AioRpcError as err:
            raise _translated(err) from err

    async def predict(self, request: Any, version: int) -> Any:
        """Plays a PredictRequest to a version, whatever model it was written for.

        Raises:
          ServingUnavailableError: as for `statuses`, or the version is not loaded at the moment.
          ServingRefusedError: as for `statuses`.
        """
        addressed = PredictRequest()
        addressed.CopyFrom(request)
        addressed.model_spec.name = self._model_name
        addressed.model_spec.version.value = version
        try:
            return _read(PredictResponse, await self._predict(addressed, timeout=self._predict_timeout_s))
        except grpc.aio.AioRpcError as err:
            if err.code() is grpc.StatusCode.NOT_FOUND:
                raise ServingUnavailableError(f"version {version} is not loaded at the moment; try again") from err
            raise _translated(err) from err


def _read(kind: Any, answer: bytes) -> Any:
    try:
        return kind.FromString(answer)
    except DecodeError as err:
        raise ServingRefusedError("serving answers what is no message of its API") from err


def _version_status(status: Any) -> VersionStatus:
    try:
        state = VersionState(status.state)
    except ValueError:  # one of a newer TensorFlow Serving
        state = VersionState.UNKNOWN
    failed = state is VersionState.END and status.status.error_code
    return VersionStatus(state, (status.status.error_message or "no reason given") if failed else "")


def _translated(err: grpc.aio.AioRpcError) -> ServingUnavailableError | ServingRefusedError:
    if err.code() in _PASSING:
        return ServingUnavailableError(AWAY)
    return ServingRefusedError(f"{err.code().name}: {err.details()}")
