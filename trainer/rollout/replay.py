"""Golden requests played to a serving, and its answers held against the model's own."""

import asyncio
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from google.protobuf.message import DecodeError
from numpy.typing import NDArray

from tfserving_api.messages import PredictionLog
from tfserving_api.tensors import to_array
from tfserving_api.tfrecord import TFRecordError, read_records
from trainer.errors import RolloutError, ServingRefusedError

GOLDEN_REQUESTS = Path("assets.extra", "tf_serving_warmup_requests")
"""Where a version keeps them; `trainer.rollout.golden` writes them."""

TOLERANCE = 1e-3
"""Of floats, relative above 1 and absolute below. Another processor or engine rounds otherwise, by 1e-5 at most."""


class Predicting(Protocol):
    """A serving that answers. See ServingClient."""

    async def predict(self, request: Any, version: int) -> Any:
        """Plays a PredictRequest to a version."""


async def replay(serving: Predicting, version_dir: Path, version: int) -> list[str]:
    """Plays the golden requests of a version to it.

    Args:
      serving: where the version is loaded.
      version_dir: holds the golden requests.
      version: its number in that serving.

    Returns:
      What is wrong, as sentences; empty where every answer is the model's own.

    Raises:
      RolloutError: the version has no golden requests that can be read.
      ServingUnavailableError: serving went away, or the version did.
    """
    reasons = []
    for number, log in enumerate(await asyncio.to_thread(read_golden_requests, version_dir), 1):
        name = f"golden request {number} ({log.request.model_spec.signature_name})"
        try:
            response = await serving.predict(log.request, version)
        except ServingRefusedError as err:
            reasons.append(f"{name} is refused: {err}")
        else:
            reasons += [f"{name}: {difference}" for difference in differences(log.response, response)]
    return reasons


def read_golden_requests(version_dir: Path) -> list[Any]:
    """Returns the PredictLogs of a version, each with a request and the model's own response.

    Raises:
      RolloutError: there are none, or they are damaged.
    """
    try:
        logs = [PredictionLog.FromString(record).predict_log for record in read_records(version_dir / GOLDEN_REQUESTS)]
    except (OSError, TFRecordError, DecodeError) as err:
        raise RolloutError(f"the golden requests of {version_dir.name} cannot be read; publish it anew") from err
    if not logs or not all(log.response.outputs for log in logs):
        raise RolloutError(f"{version_dir.name} holds no golden requests with answers; publish it anew")
    return logs


def differences(expected: Any, actual: Any) -> list[str]:
    """Compares two PredictResponses output by output: floats within TOLERANCE, all else to the bit.

    Returns:
      One phrase for each output that differs.
    """
    found = []
    for name in sorted({*expected.outputs, *actual.outputs}):
        if name not in expected.outputs or name not in actual.outputs:
            found.append(f"{name} is {'missing' if name in expected.outputs else 'not expected'}")
        elif difference := _difference_of(expected.outputs[name], actual.outputs[name]):
            found.append(f"{name} {difference}")
    return found


def _difference_of(expected: Any, actual: Any) -> str:
    try:
        return _difference(to_array(expected), to_array(actual))
    except ValueError as err:
        return f"is no tensor: {err}"


def _difference(expected: NDArray[Any], actual: NDArray[Any]) -> str:
    if (expected.dtype, expected.shape) != (actual.dtype, actual.shape):
        return f"is {actual.dtype} {actual.shape}, not {expected.dtype} {expected.shape}"
    if expected.dtype.kind != "f":
        wrong = expected != actual
        return f"differs in {wrong.sum()} of {wrong.size} values" if wrong.any() else ""
    with np.errstate(invalid="ignore"):
        off = np.abs(expected - actual) / np.maximum(1, np.abs(expected))
    wrong = ~(off <= TOLERANCE)  # not >: what is no number is wrong
    return f"is off by up to {np.max(off):.2g}; {TOLERANCE:g} is tolerated" if wrong.any() else ""
