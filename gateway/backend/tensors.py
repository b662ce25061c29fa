"""Tensors of TensorFlow Serving's API to and from NumPy arrays."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gateway.errors import ModelFailedError
from gateway.imaging import ImageArray
from tfserving_api.messages import DT_UINT8

_ENCODINGS: dict[int, tuple[np.dtype[Any], str]] = {
    # TensorFlow's DataType: (dtype on the wire, field that holds the values one by one)
    1: (np.dtype("<f4"), "float_val"),
    2: (np.dtype("<f8"), "double_val"),
    3: (np.dtype("<i4"), "int_val"),
    9: (np.dtype("<i8"), "int64_val"),
}


def write_images(images: Sequence[ImageArray], tensor: Any) -> None:
    """Makes an empty TensorProto uint8 [N, H, W, C] of N images of one shape (H, W, C)."""
    tensor.dtype = DT_UINT8
    for size in (len(images), *images[0].shape):
        tensor.tensor_shape.dim.add(size=size)
    tensor.tensor_content = b"".join(np.ascontiguousarray(image).data for image in images)


def to_array(tensor: Any) -> NDArray[Any]:
    """Returns the array that a TensorProto holds, in whichever of its two ways.

    Raises:
      ModelFailedError: the type is none that a verdict is made of, or the values do not fill the shape.

    Source: tensor.proto of TensorFlow; where values are missing the last one stands for the rest.
    """
    if tensor.dtype not in _ENCODINGS:
        raise ModelFailedError("The model answered with a tensor of a type that is no verdict.")
    dtype, field = _ENCODINGS[tensor.dtype]
    shape = tuple(dim.size for dim in tensor.tensor_shape.dim)
    values = (
        np.frombuffer(tensor.tensor_content, dtype)
        if tensor.tensor_content
        else np.array(getattr(tensor, field), dtype)
    )
    count = int(np.prod(shape))
    if 0 < values.size < count and not tensor.tensor_content:
        values = np.pad(values, (0, count - values.size), mode="edge")
    if values.size != count:
        raise ModelFailedError("The model answered with a tensor whose values do not fill its shape.")
    return values.reshape(shape)
