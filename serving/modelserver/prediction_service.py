"""tensorflow.serving.PredictionService."""

import time
from collections.abc import Callable
from typing import Any, NoReturn

import grpc
from grpc import StatusCode

from serving.modelserver.errors import (
    DeadlineExceededError,
    InvalidArgumentError,
    ServingError,
    UnimplementedError,
)
from serving.modelserver.metadata import model_metadata, validate_metadata_fields
from serving.modelserver.metrics import Metrics
from serving.modelserver.predict import PredictOptions, predict
from serving.modelserver.server_core import ServerCore

_FOR_EVER_S = 365 * 24 * 3600.0
"""What gRPC reports as the time left of a call without deadline is far beyond this."""


def _left_out(method: str) -> Callable[..., NoReturn]:
    def refuse(*_: object) -> NoReturn:
        raise UnimplementedError(f"{method} is not implemented by this stand-in for TensorFlow Serving; use Predict")

    return refuse


class PredictionService:
    """Predict and GetModelMetadata; the Example APIs are left to the original."""

    def __init__(self, core: ServerCore, metrics: Metrics, options: PredictOptions) -> None:
        self._core = core
        self._metrics = metrics
        self._options = options

    def Predict(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802 the RPC's name
        """Runs a signature of a version."""
        start = time.perf_counter()
        status = StatusCode.INTERNAL
        try:
            response = self._predict(request, context)
            status = StatusCode.OK
        except ServingError as err:
            status = err.status_code
            raise
        finally:
            self._note(request.model_spec.name, status, time.perf_counter() - start)
        return response

    def _predict(self, request: Any, context: grpc.ServicerContext) -> Any:
        _require_model_spec(request)
        timeout_s = _timeout_s(context)
        with self._core.servable(request.model_spec) as servable:
            return predict(servable, request, timeout_s, self._options, self._metrics)

    def _note(self, name: str, status: StatusCode, elapsed_s: float) -> None:
        # Names that callers make up must not become labels: each would stay for ever.
        known_name = name if self._core.is_known(name) else ""
        self._metrics.request_count.increment(known_name, status.name)
        if status is StatusCode.OK:
            self._metrics.request_latency.observe_s(elapsed_s, known_name, "Predict", "GRPC")

    def GetModelMetadata(self, request: Any, _: grpc.ServicerContext) -> Any:  # noqa: N802 the RPC's name
        """Signatures of a version."""
        _require_model_spec(request)
        validate_metadata_fields(request)
        with self._core.servable(request.model_spec) as servable:
            return model_metadata(servable, request.model_spec.name)

    Classify, Regress, MultiInference = map(_left_out, ("Classify", "Regress", "MultiInference"))


def _timeout_s(context: grpc.ServicerContext) -> float | None:
    timeout_s = context.time_remaining()
    if timeout_s is None or timeout_s > _FOR_EVER_S:
        return None
    if timeout_s <= 0:
        raise DeadlineExceededError("Deadline exceeded before the request was run")
    return timeout_s


def _require_model_spec(request: Any) -> None:
    if not request.HasField("model_spec"):
        raise InvalidArgumentError("Missing ModelSpec")
