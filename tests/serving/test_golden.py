"""Which answers of an engine agree with those that are stored."""

from typing import Any

import numpy as np
import pytest

from serving.modelserver.golden import disagreement, without_golden
from serving.modelserver.servable import Servable
from tfserving_api.messages import PredictionLog, SignatureDef
from tfserving_api.tensors import Tensor, to_proto

SIGNATURE = SignatureDef(outputs={"y": {"dtype": 1}, "z": {"dtype": 1}})
INF, NAN = np.inf, np.nan
DTYPES = {"float32": 1, "float64": 2, "int64": 9, "complex64": 8, "object": 7}


class Constant:
    """An engine that answers the same whatever is asked."""

    def __init__(self, answer: Tensor) -> None:
        self.answer = answer

    def run(self, *_: Any) -> dict[str, Tensor]:
        return {"y": self.answer}

    def close(self) -> None:
        pass


def tensor(values: Any, dtype: str = "float32") -> Tensor:
    return Tensor(DTYPES[dtype], np.array(values, dtype))


def record(signature: str = "", **outputs: Tensor) -> Any:
    log = PredictionLog(predict_log={"request": {"model_spec": {"signature_name": signature}}})
    for alias, value in outputs.items():
        to_proto(value, log.predict_log.response.outputs[alias])
    return log


def difference(stored: Tensor, answer: Tensor) -> str | None:
    servable = Servable("m", 1, {"serving_default": SIGNATURE}, Constant(answer))
    return disagreement(servable, [record(y=stored)], 0.01)


@pytest.mark.parametrize(
    ("stored", "answer"),
    [
        (tensor([0.5, 1.0]), tensor([0.509, 0.991])),
        (tensor([-500.0]), tensor([-504.9])),
        (tensor([INF, -INF, NAN]), tensor([INF, -INF, NAN])),
        (tensor([1 + 1j], "complex64"), tensor([1 + 1.009j], "complex64")),
        (tensor([7], "int64"), tensor([7], "int64")),
        (tensor([b"a"], "object"), tensor([b"a"], "object")),
    ],
)
def test_real_numbers_agree_within_the_tolerance(stored: Tensor, answer: Tensor) -> None:
    assert difference(stored, answer) is None


@pytest.mark.parametrize(
    ("stored", "answer", "by"),
    [
        (tensor([0.5]), tensor([0.511]), " by up to 0.011"),
        (tensor([500.0, -500.0]), tensor([500.0, -505.1]), " by up to 5.1"),
        (tensor([INF]), tensor([5.0]), " by up to inf"),
        (tensor([3e38]), tensor([-3e38]), " by up to inf"),
        (tensor([-INF]), tensor([INF]), " by up to inf"),
        (tensor([INF]), tensor([NAN]), " by up to nan"),
        (tensor([NAN]), tensor([1.0]), " by up to nan"),
        (tensor([1.0]), tensor([NAN]), " by up to nan"),
        (tensor([1 + 1j], "complex64"), tensor([1 - 1j], "complex64"), " by up to 2"),
        (tensor([7000], "int64"), tensor([7001], "int64"), ""),
        (tensor([b"a"], "object"), tensor([b"b"], "object"), ""),
        (tensor([1.0]), tensor([[1.0]]), ""),
        (tensor([1.0]), tensor([1.0], "float64"), ""),
    ],
)
def test_other_values_sizes_and_types_differ(stored: Tensor, answer: Tensor, by: str) -> None:
    assert difference(stored, answer) == f"y of serving_default differs from the stored answer{by}"


def test_an_output_that_is_stored_and_not_answered_differs() -> None:
    servable = Servable("m", 1, {"serving_default": SIGNATURE}, Constant(tensor([1.0])))
    assert disagreement(servable, [record(z=tensor([1.0]))], 0.01) == "serving_default has no output z"


def test_a_signature_is_without_answers_until_each_of_its_outputs_is_in_one() -> None:
    y, z = record(y=tensor([1.0])), record(z=tensor([1.0]))
    signatures = {"serving_default": SIGNATURE, "init": SignatureDef(outputs={"op": {"name": "NoOp"}})}
    assert without_golden(signatures, [y, record(), record("init", z=tensor([1.0]))]) == ["serving_default"]
    assert without_golden(signatures, [y, z]) == []


def test_what_is_no_question_for_a_prediction_is_passed_over() -> None:
    asks_for_x = SignatureDef(inputs={"x": {"dtype": 1}}, outputs=SIGNATURE.outputs)
    servable = Servable("m", 1, {"serving_default": asks_for_x}, Constant(tensor([1.0])))
    assert disagreement(servable, [PredictionLog(classify_log={}), PredictionLog()], 0.01) is None
