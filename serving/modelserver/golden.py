"""Holds an engine's answers against those that travel with the version."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from serving.modelserver.predict import DEFAULT_SIGNATURE, predict
from serving.modelserver.saved_model import is_init_op
from serving.modelserver.servable import Servable
from tfserving_api.tensors import to_array


def without_golden(signatures: Mapping[str, Any], records: Iterable[Any]) -> list[str]:
    """The signatures of which an output is in no stored answer."""
    stored = {(_signature_name(log), alias) for log in _predict_logs(records) for alias in log.response.outputs}
    return sorted(
        name
        for name, signature in signatures.items()
        if not is_init_op(signature) and any((name, alias) not in stored for alias in signature.outputs)
    )


def disagreement(servable: Servable, records: Iterable[Any], tolerance: float) -> str | None:
    """Asks every stored question again; those without a stored answer must not fail either.

    Args:
      servable: the version on the engine to be judged.
      records: PredictionLogs.
      tolerance: how far a real number may be off, relative to the larger of 1 and itself. Integers may not.

    Returns:
      What differs, or None where nothing does.

    Raises:
      ServingError: a stored question fails.
      ValueError: a stored answer is no tensor.
    """
    for log in _predict_logs(records):
        name = _signature_name(log)
        response = predict(servable, log.request)
        for alias, stored in log.response.outputs.items():
            if alias not in response.outputs:
                return f"{name} has no output {alias}"
            expected, actual = to_array(stored), to_array(response.outputs[alias])
            if (difference := _difference(expected, actual, tolerance)) is not None:
                return f"{alias} of {name} differs from the stored answer{difference}"
    return None


def _predict_logs(records: Iterable[Any]) -> list[Any]:
    return [record.predict_log for record in records if record.WhichOneof("log_type") == "predict_log"]


def _signature_name(log: Any) -> str:
    return log.request.model_spec.signature_name or DEFAULT_SIGNATURE


def _difference(expected: Any, actual: Any, tolerance: float) -> str | None:
    """None where they agree, else by how much they do not, as far as that is a number."""
    if expected.shape != actual.shape or expected.dtype != actual.dtype:
        return ""
    if expected.dtype.kind not in "fc":
        return None if np.array_equal(expected, actual) else ""
    with np.errstate(invalid="ignore", over="ignore"):  # from infinity to infinity is no number
        distance = np.abs(expected - actual)
    limit = tolerance * np.maximum(1.0, np.abs(expected))
    same = (expected == actual) | (np.isnan(expected) & np.isnan(actual))
    if np.all(same | (np.isfinite(expected) & (distance <= limit))):
        return None
    return f" by up to {np.max(distance):.2g}"
