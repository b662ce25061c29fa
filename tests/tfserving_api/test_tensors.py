"""Tensors travel to the bit, in either of their two encodings."""

import tracemalloc
from types import SimpleNamespace

import numpy as np
import pytest

from tfserving_api.messages import TensorProto
from tfserving_api.tensors import (
    DT_STRING,
    Tensor,
    UnsupportedDtypeError,
    dtype_name,
    from_proto,
    numpy_dtype,
    to_array,
    to_proto,
    write_array,
)

_NUMBERS = [np.dtype(name).name for name in "?bhilBHIQefdFD"]


@pytest.mark.parametrize("name", _NUMBERS)
@pytest.mark.parametrize("shape", [(), (3,), (2, 0), (2, 3)])
def test_an_array_comes_back_as_it_was(name, shape) -> None:
    array = (np.arange(np.prod(shape, dtype=int)).reshape(shape) % 2).astype(name)
    content, typed = TensorProto(), TensorProto()
    write_array(array, content)
    to_proto(from_proto(content), typed)

    assert not typed.tensor_content
    for proto in (content, typed):
        read = to_array(TensorProto.FromString(proto.SerializeToString()))
        assert (read.dtype, read.shape) == (array.dtype, array.shape)
        np.testing.assert_array_equal(read, array)


def test_values_are_copied_out_of_a_message_once_and_into_it_once() -> None:
    """A batch of large images is many megabytes."""
    array = np.zeros(2**20, np.float32)
    tracemalloc.start()
    to_proto(Tensor(1, array), TensorProto())
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 1.5 * array.nbytes

    class Counting(SimpleNamespace):
        reads = 0

        @property
        def tensor_content(self) -> bytes:
            self.reads += 1
            return array.tobytes()

    message = Counting(dtype=1, tensor_shape=SimpleNamespace(dim=[SimpleNamespace(size=array.size)]))
    assert from_proto(message).array.nbytes == array.nbytes
    assert message.reads == 1


def test_values_that_do_not_lie_side_by_side_travel_too() -> None:
    proto = TensorProto()
    to_proto(Tensor(1, np.arange(6, dtype=np.float32)[::2]), proto)
    assert list(proto.float_val) == [0, 2, 4]


def test_strings_travel_both_ways() -> None:
    strings = Tensor(DT_STRING, np.array([b"", b"abc", bytes(200)], object))
    for as_content in (False, True):
        proto = TensorProto()
        to_proto(strings, proto, as_content=as_content)
        assert to_array(proto).tolist() == strings.array.tolist()


@pytest.mark.parametrize(("values", "read"), [([], [0, 0, 0]), ([1.5], [1.5] * 3), ([1, 2, 3, 4], [1, 2, 3])])
def test_too_few_and_too_many_values_are_made_to_fit(values, read) -> None:
    """As TensorFlow does it."""
    proto = TensorProto(dtype=1, float_val=values)
    proto.tensor_shape.dim.add(size=3)

    assert to_array(proto).tolist() == read


@pytest.mark.parametrize(
    "fields",
    [
        {"dtype": 1, "tensor_content": b"abc", "tensor_shape": {"dim": [{"size": 1}]}},
        {"dtype": 1, "tensor_shape": {"dim": [{"size": -1}]}},
        {"dtype": 1, "tensor_shape": {"dim": [{"size": 2**40}]}},
        {"dtype": 20},
        {"dtype": 7, "tensor_content": b"\xff", "tensor_shape": {"dim": [{"size": 1}]}},
    ],
)
def test_what_is_no_tensor_is_refused(fields) -> None:
    with pytest.raises(ValueError, match=r"."):
        from_proto(TensorProto(**fields))


def test_dtypes_have_the_names_of_tensorflow() -> None:
    assert [dtype_name(number) for number in (1, 7, 9, 14)] == ["float", "string", "int64", "bfloat16"]
    assert numpy_dtype(14) == np.uint16
    with pytest.raises(UnsupportedDtypeError, match="resource"):
        numpy_dtype(20)
