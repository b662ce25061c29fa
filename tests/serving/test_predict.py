"""Predict over gRPC: answers, and the order, codes and texts of errors."""

from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from google.protobuf import message_factory

from tfserving_api.messages import SavedModel, SignatureDefMap, TensorProto, pool

HALF = {"name": "half_plus_two"}
X = {"x": np.array([[2.0]], np.float32)}
STRING = np.array([b"2"], object)


def shape(*sizes: int) -> dict[str, Any]:
    return {"dim": [{"size": size} for size in sizes]}


def test_it_answers_with_the_typed_field_and_the_full_model_spec(zoo: Any) -> None:
    response = zoo.predict(HALF, X)
    assert response.outputs["y"].float_val == [3.0]
    assert [dim.size for dim in response.outputs["y"].tensor_shape.dim] == [1, 1]
    assert not response.outputs["y"].tensor_content
    assert response.model_spec.name == "half_plus_two"
    assert response.model_spec.version.value == 3
    assert response.model_spec.signature_name == "serving_default"
    assert sorted(response.outputs) == ["y", "y2"]


def test_a_label_is_not_echoed_and_the_version_that_ran_is_named(zoo: Any) -> None:
    response = zoo.predict({"name": "half_plus_three", "version_label": "stable"}, X)
    assert response.model_spec.WhichOneof("version_choice") == "version"
    assert response.model_spec.version.value == 3
    assert response.outputs["y"].float_val == [4.0]


def test_an_output_filter_limits_the_outputs(zoo: Any) -> None:
    assert list(zoo.predict(HALF, X, ("y2",)).outputs) == ["y2"]


def test_the_shape_is_not_checked_against_the_signature(zoo: Any) -> None:
    assert zoo.predict(HALF, {"x": np.array([2.0], np.float32)}).outputs["y"].float_val == [3.0]
    assert zoo.predict({"name": "flat"}, {"images": np.ones(24, np.float32)}).outputs["sums"].float_val == [12.0, 12.0]


def test_an_empty_batch_has_an_empty_answer(zoo: Any) -> None:
    response = zoo.predict({"name": "images"}, {"images": np.empty((0, 8, 8, 1), np.uint8)})
    assert [dim.size for dim in response.outputs["probabilities"].tensor_shape.dim] == [0, 2]


@pytest.mark.parametrize(
    ("signature", "inputs", "expected"),
    [
        ("regress_x_to_y", {"inputs": X["x"]}, {"outputs": [3.0]}),
        ("no_inputs", {}, {"b": [2.0]}),
        ("lengths", {"inputs": np.array([b"", b"abc", b"x" * 40], object)}, {"outputs": [0, 3, 40]}),
    ],
)
def test_every_signature_of_the_graph_answers(zoo: Any, signature: str, inputs: Any, expected: Any) -> None:
    response = zoo.predict({**HALF, "signature_name": signature}, inputs)
    assert {alias: [*out.float_val, *out.int_val] for alias, out in response.outputs.items()} == expected


def test_a_signature_may_change_a_variable_and_finds_it_changed(zoo: Any) -> None:
    spec = {"name": "unlike", "signature_name": "counted"}
    first, second = (zoo.predict(spec, {"x": np.zeros(1, np.float32)}).outputs["y"].float_val for _ in range(2))
    assert second[0] == first[0] + 1.0


def test_a_version_without_signatures_serves_its_metadata_and_nothing_else(
    launch: Any, publish: Any, base_path: Path
) -> None:
    file = publish("half_plus_two", "1.unready") / "saved_model.pb"
    model = SavedModel.FromString(file.read_bytes())
    model.meta_graphs[0].signature_def.clear()
    file.write_bytes(model.SerializeToString())
    file.parent.rename(base_path / "1")
    client = launch("--model_name=m", f"--model_base_path={base_path}").ready()
    signatures = SignatureDefMap()
    client.metadata({"name": "m"}).metadata["signature_def"].Unpack(signatures)
    assert not signatures.signature_def
    with pytest.raises(grpc.RpcError) as error:
        client.half()
    assert error.value.code() is grpc.StatusCode.FAILED_PRECONDITION


def scalars(**values: float) -> dict[str, Any]:
    return {name: np.array(value, np.float32) for name, value in values.items()}


@pytest.mark.parametrize(
    ("inputs", "y"),
    [
        (scalars(x=5.0), 11.0),
        (scalars(x=5.0, scale=3.0), 16.0),
        (scalars(x=5.0, scale=3.0, offset=-1.0), 14.0),
    ],
)
def test_inputs_that_are_left_out_have_the_signatures_defaults(zoo: Any, inputs: Any, y: float) -> None:
    assert zoo.predict({"name": "defaults"}, inputs).outputs["y"].float_val == [y]


def test_the_image_model_answers_both_its_signatures(zoo: Any) -> None:
    pixels = {"images": np.arange(2 * 64, dtype=np.uint8).reshape(2, 8, 8, 1)}
    plain = zoo.predict({"name": "images"}, pixels)
    explained = zoo.predict({"name": "images", "signature_name": "explain"}, pixels)
    assert sorted(plain.outputs) == ["label", "ood_score", "probabilities", "reliability"]
    assert explained.outputs["probabilities"].float_val == pytest.approx(plain.outputs["probabilities"].float_val)
    assert len(explained.outputs["heatmap"].float_val) == 2 * 4 * 4


def test_every_dtype_passes_through_the_runtime_unchanged(zoo: Any) -> None:
    inputs = {
        "float32_in": TensorProto(dtype=1, float_val=[1.5, -0.0], tensor_shape=shape(2)),
        "float64_in": TensorProto(dtype=2, double_val=[1e300], tensor_shape=shape(1)),
        "int32_in": TensorProto(dtype=3, int_val=[-(2**31)]),
        "uint8_in": TensorProto(dtype=4, int_val=[255]),
        "int16_in": TensorProto(dtype=5, int_val=[-300]),
        "int8_in": TensorProto(dtype=6, int_val=[-128]),
        "string_in": TensorProto(dtype=7, string_val=[b"", b"\xff" * 100], tensor_shape=shape(1, 2)),
        "complex64_in": TensorProto(dtype=8, scomplex_val=[1.0, -2.0]),
        "int64_in": TensorProto(dtype=9, int64_val=[-(2**63)]),
        "bool_in": TensorProto(dtype=10, bool_val=[True, False], tensor_shape=shape(2)),
        "bfloat16_in": TensorProto(dtype=14, half_val=[0x3F80]),
        "uint16_in": TensorProto(dtype=17, int_val=[65535]),
        "complex128_in": TensorProto(dtype=18, dcomplex_val=[3.0, 4.0]),
        "float16_in": TensorProto(dtype=19, half_val=[0x3C00]),
        "uint32_in": TensorProto(dtype=22, uint32_val=[2**32 - 1]),
        "uint64_in": TensorProto(dtype=23, uint64_val=[2**64 - 1]),
        "float8_e5m2_in": TensorProto(dtype=24, float8_val=b"\x3c"),
        "float8_e4m3fn_in": TensorProto(dtype=25, float8_val=b"\x3c"),
        "float8_e4m3fnuz_in": TensorProto(dtype=26, float8_val=b"\x3c"),
        "float8_e4m3b11fnuz_in": TensorProto(dtype=27, float8_val=b"\x3c"),
        "float8_e5m2fnuz_in": TensorProto(dtype=28, float8_val=b"\x3c"),
        "int4_in": TensorProto(dtype=29, int_val=[-8, 7], tensor_shape=shape(2)),
        "uint4_in": TensorProto(dtype=30, int_val=[15]),
        "int2_in": TensorProto(dtype=31, int_val=[-2, 1], tensor_shape=shape(2)),
        "uint2_in": TensorProto(dtype=32, int_val=[3]),
    }
    for tensor in inputs.values():
        tensor.tensor_shape.SetInParent()
    response = zoo.predict({"name": "echo"}, inputs)
    assert dict(response.outputs) == inputs


SIZES = (
    "input size does not match signature: {}!=1 len({{{}}}) != len({{x}}). Sent extra: {{{}}}. "
    "Missing but required: {{{}}}."
)
ERRORS = {
    "no model_spec": (None, {}, (), "INVALID_ARGUMENT", "Missing ModelSpec"),
    "no name": ({"signature_name": "x"}, {}, (), "INVALID_ARGUMENT", "ModelSpec has no name specified."),
    "unknown label": (
        {"name": "nope", "version_label": "stable"}, {}, (), "INVALID_ARGUMENT",
        "Unrecognized servable version label: stable",
    ),
    "unknown model": ({"name": "nope"}, {}, (), "NOT_FOUND", "Servable not found for request: Latest(nope)"),
    "unknown version": (
        {**HALF, "version": {"value": 4}}, {}, (), "NOT_FOUND",
        "Servable not found for request: Specific(half_plus_two, 4)",
    ),
    "unknown signature": (
        {**HALF, "signature_name": "nope"}, {"z": STRING}, (), "FAILED_PRECONDITION",
        'Serving signature key "nope" not found.',
    ),
    "no inputs": (HALF, {}, ("nope",), "INVALID_ARGUMENT", SIZES.format(0, "", "", "x")),
    "too many inputs": (
        HALF, {**X, "b": STRING, "a": STRING}, (), "INVALID_ARGUMENT", SIZES.format(3, "a,b,x", "a,b", ""),
    ),
    "wrong alias": (
        HALF, {"z": STRING}, ("nope",), "INVALID_ARGUMENT",
        "Signature input alias: x(feed name: x:0) not found in request and no default value provided. "
        "Inputs expected to be in the request {z}, or default input alias set: ",
    ),
    "no input and no default": (
        {"name": "defaults"}, scalars(scale=3.0), (), "INVALID_ARGUMENT",
        "Signature input alias: x(feed name: serving_default_x:0) not found in request and no default value provided. "
        "Inputs expected to be in the request {scale}, or default input alias set: offset,scale",
    ),
    "wrong alias beside defaults": (
        {"name": "defaults"}, scalars(x=1.0, z=1.0), (), "INVALID_ARGUMENT",
        "Inputs contains invalid name. Used request inputs: x, request input: x,z",
    ),
    "too many inputs beside defaults": (
        {"name": "defaults"}, scalars(x=1.0, scale=1.0, offset=1.0, z=1.0), (), "INVALID_ARGUMENT",
        "input size does not match signature: 4!=3 len({offset,scale,x,z}) != len({offset,scale,x}). Sent extra: {z}. "
        "Missing but required: {}.",
    ),
    "unparsable tensor": (
        HALF, {"x": TensorProto(dtype=1, tensor_content=b"abc", tensor_shape=shape(1))}, ("nope",),
        "INVALID_ARGUMENT", "tensor parsing error: x",
    ),
    "unknown output": (
        HALF, {"x": STRING}, ("nope",), "INVALID_ARGUMENT",
        "output tensor alias not found in signature: nope Outputs expected to be in the set {y,y2}.",
    ),
    "output twice": (HALF, {"x": STRING}, ("y", "y"), "INVALID_ARGUMENT", "duplicate output tensor alias: y"),
    "wrong dtype": (
        HALF, {"x": STRING}, (), "INVALID_ARGUMENT", "Expects arg[0] to be float but string is provided",
    ),
    "a dtype is never cast": (
        {"name": "flat"}, {"images": np.ones(12, np.uint8)}, (), "INVALID_ARGUMENT",
        "Expects arg[0] to be float but uint8 is provided",
    ),
    "a shape that the graph cannot compute": (
        {"name": "flat"}, {"images": np.ones(4, np.float32)}, (), "INVALID_ARGUMENT",
        "Input to reshape is a tensor with 4 values, but the requested shape requires a multiple of 12",
    ),
    "a rank that the graph cannot compute": (
        {"name": "images"}, {"images": np.ones(24, np.uint8)}, (), "INVALID_ARGUMENT",
        "convolution input must be 4-dimensional: [24]",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", ERRORS)
def test_errors_have_the_code_and_text_of_the_original(zoo: Any, case: str) -> None:
    spec, inputs, output_filter, code, text = ERRORS[case]
    with pytest.raises(grpc.RpcError) as error:
        zoo.predict(spec, inputs, output_filter)
    assert error.value.code().name == code
    assert error.value.details().split("\n\t [[")[0] == text


def test_long_error_texts_are_cut(zoo: Any) -> None:
    with pytest.raises(grpc.RpcError) as error:
        zoo.predict({"name": "n" * 2000}, {})
    assert error.value.details() == f"Servable not found for request: Latest({'n' * 2000}"[:1024] + "...TRUNCATED"
    with pytest.raises(grpc.RpcError) as error:
        zoo.predict({"name": "\N{EURO SIGN}" * 2000}, {})
    assert error.value.details().endswith("\N{EURO SIGN}...TRUNCATED")
    assert 1021 < len(error.value.details().removesuffix("...TRUNCATED").encode()) <= 1024


def test_the_deadline_ends_a_long_computation(zoo: Any) -> None:
    with pytest.raises(grpc.RpcError) as error:
        zoo.predict({"name": "counter"}, {"steps": np.array(10**12)}, timeout_s=0.3)
    assert error.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED


@pytest.mark.parametrize("method", ["Classify", "Regress", "MultiInference"])
def test_what_is_left_out_says_so(zoo: Any, method: str) -> None:
    descriptor = pool.FindServiceByName("tensorflow.serving.PredictionService").FindMethodByName(method)
    with pytest.raises(grpc.RpcError) as error:
        zoo.call(method, message_factory.GetMessageClass(descriptor.input_type)())
    assert error.value.code() is grpc.StatusCode.UNIMPLEMENTED
