"""TensorProto to NumPy and back, as TensorFlow's runtime does it."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tfserving_api.messages import TensorProto
from tfserving_api.tensors import Tensor, from_proto, to_proto


def proto(dtype: int, *shape: int, **fields: Any) -> Any:
    return TensorProto(dtype=dtype, tensor_shape={"dim": [{"size": size} for size in shape]}, **fields)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (proto(1, 3, float_val=[1.0, 2.0]), [1.0, 2.0, 2.0]),
        (proto(1, 3), [0.0, 0.0, 0.0]),
        (TensorProto(dtype=1, tensor_shape={"dim": [{"size": 1}], "unknown_rank": True}, float_val=[1.0]), [1.0]),
        (proto(1, 1, float_val=[1.0, 2.0]), [1.0]),
        (proto(7, 3, string_val=[b"a"]), [b"a", b"a", b"a"]),
        (proto(7, 2), [b"", b""]),
        (proto(7, 1, string_val=[b"a", b"b"]), [b"a"]),
        (proto(4, 2, int_val=[257, -1]), [1, 255]),
        (proto(8, 2, scomplex_val=[1.0, 2.0]), [1 + 2j, 1 + 2j]),
        (proto(19, 2, half_val=[0x3C00]), [1.0, 1.0]),
        (proto(9, 2, tensor_content=np.array([5, -6]).tobytes()), [5, -6]),
        (proto(7, 2, tensor_content=b"\x01\x03" + b"abcd"), [b"a", b"bcd"]),
        (proto(7, 1, tensor_content=b"\xc8\x01" + b"x" * 200), [b"x" * 200]),
    ],
)
def test_it_reads_what_tensorflow_reads(message: Any, expected: list[Any]) -> None:
    assert from_proto(message).array.tolist() == expected


@pytest.mark.parametrize(
    "message",
    [
        TensorProto(),
        proto(20, 1),  # a resource
        proto(1, -1, float_val=[1.0]),
        proto(1, 2, tensor_content=b"\0" * 7),
        proto(1, 2**31, 2**31, float_val=[1.0]),
        proto(1, 2**32, float_val=[1.0]),
        proto(10, 2, tensor_content=b"\0\2"),
        proto(7, 2, tensor_content=b"\x01\x03abc"),
        proto(7, 2, tensor_content=b"\x01"),
        proto(7, 1, tensor_content=b"\xff\xff\xff\xff\xff\xff"),
    ],
)
def test_what_describes_no_tensor_is_an_error(message: Any) -> None:
    with pytest.raises(ValueError, match=r"."):
        from_proto(message)


def test_an_empty_tensor_needs_no_values_and_keeps_its_shape() -> None:
    assert from_proto(proto(1, 0, 5, tensor_content=b"ignored")).array.shape == (0, 5)


DTYPES = {
    "float32": 1, "float64": 2, "int32": 3, "uint8": 4, "int16": 5, "int8": 6, "complex64": 8, "int64": 9, "bool": 10,
    "uint16": 17, "complex128": 18, "float16": 19, "uint32": 22, "uint64": 23,
}  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(st.data(), st.sampled_from(sorted(DTYPES)), st.booleans())
def test_every_tensor_survives_the_round_trip(data: Any, name: str, as_content: bool) -> None:
    array = data.draw(hnp.arrays(name, hnp.array_shapes(min_dims=0, min_side=0, max_side=4)))
    message = TensorProto()
    to_proto(Tensor(DTYPES[name], array), message, as_content=as_content)
    back = from_proto(TensorProto.FromString(message.SerializeToString()))
    assert (back.dtype, back.array.dtype, back.array.shape) == (DTYPES[name], array.dtype, array.shape)
    assert back.array.tobytes() == array.tobytes()
    assert bool(message.tensor_content) == (as_content and array.size > 0)


@given(st.lists(st.binary(max_size=200), max_size=5), st.booleans())
def test_strings_survive_the_round_trip(strings: list[bytes], as_content: bool) -> None:
    array = np.empty(len(strings), object)
    array[:] = strings
    message = TensorProto()
    to_proto(Tensor(7, array), message, as_content=as_content)
    assert from_proto(message).array.tolist() == strings


@pytest.mark.parametrize(
    ("dtype", "values"), [(29, [1, -1, -2]), (30, [1, 15, 14]), (31, [1, -1, -2]), (32, [1, 3, 2])]
)
@pytest.mark.parametrize("fields", [{"tensor_content": b"\x01\x1f\x7e"}, {"int_val": [1, 31, 126]}])
def test_values_of_few_bits_are_cut_to_their_width(dtype: int, values: list[int], fields: dict[str, Any]) -> None:
    """As TensorFlow's constants of these types are read."""
    message = TensorProto()
    to_proto(from_proto(proto(dtype, 3, **fields)), message)
    assert message.int_val == values


@given(hnp.arrays("uint16", 4), st.sampled_from([14, 16]))
def test_types_that_numpy_has_not_keep_their_bits(bits: Any, dtype: int) -> None:
    message = TensorProto()
    to_proto(Tensor(dtype, bits), message)
    assert from_proto(message).array.tolist() == bits.tolist()
