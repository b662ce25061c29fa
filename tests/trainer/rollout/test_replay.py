"""Answers are held against the model's own, output by output."""

import numpy as np
import pytest

from tfserving_api.messages import PredictResponse
from tfserving_api.tensors import to_array, write_array
from tfserving_api.tfrecord import write_records
from trainer.errors import RolloutError, ServingRefusedError
from trainer.rollout.replay import GOLDEN_REQUESTS, differences, read_golden_requests, replay


def _response(**outputs):
    response = PredictResponse()
    for name, values in outputs.items():
        write_array(np.array(values), response.outputs[name])
    return response


def _float(*values):
    return np.array(values, np.float32)


@pytest.mark.parametrize(
    ("expected", "actual"),
    [
        (_float(0.5, 0.25), _float(0.5009, 0.25)),
        (_float(100), _float(100.05)),
        (np.array([1, 2]), np.array([1, 2])),
        (_float(), _float()),
    ],
)
def test_floats_may_differ_by_a_thousandth(expected, actual) -> None:
    assert differences(_response(x=expected), _response(x=actual)) == []


@pytest.mark.parametrize(
    ("expected", "actual", "phrase"),
    [
        (_float(0.5), _float(0.502), "x is off by up to 0.002; 0.001 is tolerated"),
        (_float(0.5), _float(np.nan), "x is off by up to nan; 0.001 is tolerated"),
        (_float(np.inf), _float(np.inf), "x is off by up to nan; 0.001 is tolerated"),
        (np.array([1, 2]), np.array([1, 3]), "x differs in 1 of 2 values"),
        (_float(1), _float(1, 1), "x is float32 (2,), not float32 (1,)"),
        (_float(1), np.array([1]), "x is int64 (1,), not float32 (1,)"),
    ],
)
def test_what_differs_is_told(expected, actual, phrase) -> None:
    assert differences(_response(x=expected), _response(x=actual)) == [phrase]


def test_what_is_no_tensor_is_told() -> None:
    answer = _response(x=[1])
    answer.outputs["x"].ClearField("dtype")

    assert differences(_response(x=[1]), answer) == ["x is no tensor: unknown dtype or shape"]


def test_outputs_must_be_the_same_ones() -> None:
    assert differences(_response(x=[1], y=[1]), _response(x=[1], z=[1])) == ["y is missing", "z is not expected"]


def test_golden_requests_carry_answers(exports) -> None:
    logs = read_golden_requests(exports["rgb"])

    assert [log.request.model_spec.signature_name for log in logs] == ["serving_default"] * 3 + ["explain"]
    assert [len(to_array(log.request.inputs["images"])) for log in logs] == [1, 8, 32, 1]
    assert all(log.response.outputs for log in logs)


@pytest.mark.parametrize("records", [None, [], [b""], [b"\xff"]])
def test_a_version_without_golden_requests_proves_nothing(tmp_path, records) -> None:
    (tmp_path / GOLDEN_REQUESTS.parent).mkdir()
    if records is not None:
        write_records(tmp_path / GOLDEN_REQUESTS, records)

    with pytest.raises(RolloutError, match="publish it anew"):
        read_golden_requests(tmp_path)


class _Refusing:
    async def predict(self, _request, version):
        raise ServingRefusedError(f"INTERNAL: version {version} has no such operation")


async def test_each_request_that_is_refused_is_told(exports) -> None:
    reasons = await replay(_Refusing(), exports["grey"], 7)

    assert reasons[2:] == [
        "golden request 3 (serving_default) is refused: INTERNAL: version 7 has no such operation",
        "golden request 4 (explain) is refused: INTERNAL: version 7 has no such operation",
    ]
    assert len(reasons) == 4
