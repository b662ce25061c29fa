"""Requests of all sizes to OpenVINO, and what TensorFlow says of them."""

from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest


@pytest.fixture
def openvino(launch: Any, publish: Any, base_path: Path) -> Any:
    publish("sizes", "1")
    return launch("--model_name=sizes", f"--model_base_path={base_path}", "--engine=openvino").ready()


def answer(client: Any, signature: str, **inputs: Any) -> Any:
    response = client.predict({"name": "sizes", "signature_name": signature}, inputs)
    (tensor,) = response.outputs.values()
    return [dim.size for dim in tensor.tensor_shape.dim], list(tensor.float_val)


def refusal(client: Any, signature: str, **inputs: Any) -> tuple[str, str]:
    with pytest.raises(grpc.RpcError) as error:
        answer(client, signature, **inputs)
    return error.value.code().name, error.value.details()


def numbers(*values: float) -> Any:
    return np.array(values, np.float32)


def test_sizes_that_do_not_go_together_are_the_callers_fault_and_harm_no_other(openvino: Any, zoo: Any) -> None:
    good = {"a": np.array([1, 2], np.uint8), "b": numbers(1, 2)}
    bad = {"a": np.array([1, 2, 3], np.uint8), "b": numbers(1, 2)}
    for _ in range(2):
        assert answer(openvino, "pair", **good) == answer(zoo, "pair", **good) == ([2], [2.0, 4.0])
        assert refusal(openvino, "pair", **bad)[0] == refusal(zoo, "pair", **bad)[0] == "INVALID_ARGUMENT"
        assert refusal(openvino, "triples", x=numbers(1, 2))[0] == "INVALID_ARGUMENT"


def test_an_empty_batch_runs_also_where_one_row_would_not(openvino: Any, zoo: Any) -> None:
    for signature, expected in (("triples", ([0, 3], [])), ("padded", ([2], [7.0, 8.0]))):
        assert answer(openvino, signature, x=numbers()) == answer(zoo, signature, x=numbers()) == expected


def test_inputs_are_counted_as_tensorflow_counts_them(openvino: Any, zoo: Any) -> None:
    swapped = {"a": numbers(1), "b": np.array([1], np.uint8)}
    told = refusal(zoo, "pair", **swapped)
    assert told == ("INVALID_ARGUMENT", "Expects arg[0] to be uint8 but float is provided")
    assert refusal(openvino, "pair", **swapped) == told
