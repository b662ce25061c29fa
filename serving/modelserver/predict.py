"""Predict: from a PredictRequest and a servable to a PredictResponse."""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from serving.modelserver.errors import FailedPreconditionError, InternalError, InvalidArgumentError
from serving.modelserver.metrics import Metrics
from serving.modelserver.servable import Servable
from tfserving_api.messages import PredictResponse
from tfserving_api.tensors import Tensor, from_proto, to_proto

DEFAULT_SIGNATURE = "serving_default"

_METHODS = ("tensorflow/serving/predict", "tensorflow/serving/classify", "tensorflow/serving/regress")


@dataclass(frozen=True, slots=True)
class PredictOptions:
    """What the flags say about Predict."""

    as_content: bool = False
    """Outputs as `tensor_content` instead of typed fields."""
    check_method_name: bool = False
    """Only signatures made for serving may run."""


def predict(
    servable: Servable,
    request: Any,
    timeout_s: float | None = None,
    options: PredictOptions = PredictOptions(),
    metrics: Metrics | None = None,
) -> Any:
    """Runs one request. Every check, its order and its text are the original's.

    Args:
      servable: held alive by the caller.
      request: a PredictRequest; which version it names is not looked at.
      timeout_s: how long the caller will wait; None is for ever.
      options: from the flags.
      metrics: where the time that the engine takes is noted.

    Raises:
      ServingError: with the status of the first check that fails, or the runtime's own.
    """
    signature_name = request.model_spec.signature_name or DEFAULT_SIGNATURE
    signature = servable.signatures.get(signature_name)
    if signature is None:
        raise FailedPreconditionError(f'Serving signature key "{signature_name}" not found.')
    if options.check_method_name and signature.method_name not in _METHODS:
        raise InternalError(
            f"Expected prediction signature method_name to be one of {{{', '.join(_METHODS)}}}. "
            f"Was: {signature.method_name}"
        )
    inputs = _inputs(signature, request.inputs)
    outputs = _outputs(signature, request.output_filter)
    start = time.perf_counter()
    results = servable.engine.run(signature_name, inputs, outputs, timeout_s)
    if metrics:
        metrics.runtime_latency.observe_s(time.perf_counter() - start, servable.name, "Predict", "TF1")
    return _response(request.model_spec.name, servable.version, signature_name, results, options)


def _response(name: str, version: int, signature_name: str, results: dict[str, Tensor], options: PredictOptions) -> Any:
    response = PredictResponse()
    response.model_spec.name = name
    response.model_spec.version.value = version
    response.model_spec.signature_name = signature_name
    for alias, tensor in results.items():
        to_proto(tensor, response.outputs[alias], as_content=options.as_content)
    return response


def _inputs(signature: Any, given: Any) -> dict[str, Tensor]:
    if len(given) > len(signature.inputs) or (len(given) < len(signature.inputs) and not signature.defaults):
        raise InvalidArgumentError(
            f"input size does not match signature: {len(given)}!={len(signature.inputs)} "
            f"len({_set(given)}) != len({_set(signature.inputs)}). "
            f"Sent extra: {_set(set(given) - set(signature.inputs))}. "
            f"Missing but required: {_set(set(signature.inputs) - set(given))}."
        )
    inputs = {alias: _input(signature, alias, given) for alias in signature.inputs}
    used = set(inputs) & set(given)
    if len(used) != len(given):
        raise InvalidArgumentError(
            f"Inputs contains invalid name. Used request inputs: {','.join(sorted(used))}, "
            f"request input: {','.join(sorted(given))}"
        )
    return inputs


def _input(signature: Any, alias: str, given: Any) -> Tensor:
    source = given if alias in given else signature.defaults
    if alias not in source:
        raise InvalidArgumentError(
            f"Signature input alias: {alias}(feed name: {signature.inputs[alias].name}) not found in request and no "
            f"default value provided. Inputs expected to be in the request {_set(given)}, "
            f"or default input alias set: {','.join(sorted(signature.defaults))}"
        )
    try:
        return from_proto(source[alias])
    except ValueError as err:
        raise InvalidArgumentError(f"tensor parsing error: {alias}") from err


def _outputs(signature: Any, output_filter: Iterable[str]) -> list[str]:
    chosen: list[str] = []
    for alias in output_filter:
        if alias not in signature.outputs:
            raise InvalidArgumentError(
                f"output tensor alias not found in signature: {alias} "
                f"Outputs expected to be in the set {_set(signature.outputs)}."
            )
        if alias in chosen:
            raise InvalidArgumentError(f"duplicate output tensor alias: {alias}")
        chosen.append(alias)
    return chosen or list(signature.outputs)


def _set(aliases: Iterable[str]) -> str:
    return "{" + ",".join(sorted(aliases)) + "}"
