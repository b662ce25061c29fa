"""Tensors to and from TensorFlow Serving's messages."""

import numpy as np
import pytest

from gateway.backend.tensors import to_array, write_images
from gateway.errors import ModelFailedError
from tfserving_api.messages import DT_UINT8, TensorProto


def _tensor(dtype, shape, **values):
    tensor = TensorProto(dtype=dtype, **values)
    for size in shape:
        tensor.tensor_shape.dim.add(size=size)
    return tensor


def test_images_become_one_tensor():
    images = [np.arange(24, dtype=np.uint8).reshape(2, 4, 3) + index for index in range(5)]
    tensor = TensorProto()
    write_images(images, tensor)
    assert tensor.dtype == DT_UINT8
    assert [dim.size for dim in tensor.tensor_shape.dim] == [5, 2, 4, 3]
    assert tensor.tensor_content == np.stack(images).tobytes()


def test_images_may_be_views():
    image = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)[::2, :, :1]
    tensor = TensorProto()
    write_images([image], tensor)
    assert tensor.tensor_content == image.tobytes()


@pytest.mark.parametrize(
    ("dtype", "field", "values"),
    [(1, "float_val", [0.25, 0.5]), (2, "double_val", [0.25, 0.5]), (3, "int_val", [-3, 4]), (9, "int64_val", [1, 2])],
)
def test_values_are_read_from_typed_fields_and_from_content(dtype, field, values):
    typed = to_array(_tensor(dtype, [2, 1], **{field: values}))
    content = to_array(_tensor(dtype, [2, 1], tensor_content=typed.tobytes()))
    assert typed.tolist() == content.tolist() == [[value] for value in values]
    assert typed.dtype == content.dtype


def test_the_last_typed_value_stands_for_missing_ones():
    assert to_array(_tensor(9, [4], int64_val=[7, 8])).tolist() == [7, 8, 8, 8]


def test_an_empty_batch_is_an_empty_array():
    assert to_array(_tensor(1, [0, 2])).shape == (0, 2)


@pytest.mark.parametrize(
    "tensor",
    [
        _tensor(7, [1], string_val=[b"Tumor"]),
        _tensor(1, [2, 2], tensor_content=bytes(12)),
        _tensor(1, [2], float_val=[1, 2, 3]),
        _tensor(1, [2]),
    ],
    ids=["a string", "content too short", "too many values", "no values"],
)
def test_what_is_no_verdict_is_the_models_failure(tensor):
    with pytest.raises(ModelFailedError):
        to_array(tensor)
