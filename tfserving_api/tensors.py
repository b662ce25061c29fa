"""Tensors between TensorProto and NumPy, bit for bit as TensorFlow converts them."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tfserving_api.messages import TensorProto

DT_STRING = 7

_MAX_TENSOR_BYTES = 2**31 - 1
"""No gRPC message is larger. A few bytes that claim a shape of terabytes must not allocate them."""


class UnsupportedDtypeError(ValueError):
    """No tensor of that dtype can travel: resources, variants."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """A dtype of TensorFlow (the number in `DataType`) and the values.

    The array holds the bits: where NumPy has no such type (bfloat16, quantized and 8-bit floats) an integer
    type of the same width, and a byte for each value of two or four bits. Strings are an object array of bytes.
    """

    dtype: int
    array: npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class _Storage:
    """How TensorProto stores one dtype.

    NumPy type of the bits, name of the typed field, type of its entries, bits at the top that mean nothing.
    """

    numpy: np.dtype[Any]
    field: str
    entry: np.dtype[Any]
    unused_bits: int

    @property
    def is_string(self) -> bool:
        return self.numpy.hasobject


def _storage(numpy: str, field: str, entry: str = "", unused_bits: int = 0) -> _Storage:
    return _Storage(np.dtype(numpy), field, np.dtype(entry or numpy), unused_bits)


_STORAGE = {
    1: _storage("float32", "float_val"),
    2: _storage("float64", "double_val"),
    3: _storage("int32", "int_val"),
    4: _storage("uint8", "int_val", "int32"),
    5: _storage("int16", "int_val", "int32"),
    6: _storage("int8", "int_val", "int32"),
    DT_STRING: _storage("object", "string_val"),
    8: _storage("complex64", "scomplex_val", "float32"),
    9: _storage("int64", "int64_val"),
    10: _storage("bool", "bool_val"),
    11: _storage("int8", "int_val", "int32"),  # qint8
    12: _storage("uint8", "int_val", "int32"),  # quint8
    13: _storage("int32", "int_val"),  # qint32
    14: _storage("uint16", "half_val", "int32"),  # bfloat16
    15: _storage("int16", "int_val", "int32"),  # qint16
    16: _storage("uint16", "int_val", "int32"),  # quint16
    17: _storage("uint16", "int_val", "int32"),
    18: _storage("complex128", "dcomplex_val", "float64"),
    19: _storage("float16", "half_val", "int32"),
    22: _storage("uint32", "uint32_val"),
    23: _storage("uint64", "uint64_val"),
    24: _storage("uint8", "float8_val"),  # float8_e5m2
    25: _storage("uint8", "float8_val"),  # float8_e4m3fn
    26: _storage("uint8", "float8_val"),  # float8_e4m3fnuz
    27: _storage("uint8", "float8_val"),  # float8_e4m3b11fnuz
    28: _storage("uint8", "float8_val"),  # float8_e5m2fnuz
    29: _storage("int8", "int_val", "int32", unused_bits=4),  # int4
    30: _storage("uint8", "int_val", "int32", unused_bits=4),  # uint4
    31: _storage("int8", "int_val", "int32", unused_bits=6),  # int2
    32: _storage("uint8", "int_val", "int32", unused_bits=6),  # uint2
}

_DTYPES = {_STORAGE[dtype].numpy: dtype for dtype in (*range(1, DT_STRING), *range(8, 11), *range(17, 20), 22, 23)}
"""Numbers of the dtypes that NumPy has too."""

_PACKED_TAGS = {
    name: TensorProto.DESCRIPTOR.fields_by_name[name].number << 3 | 2
    for name in ("float_val", "double_val", "scomplex_val", "dcomplex_val")
}
"""Tags of the fields whose packed encoding is the array's own little-endian memory: one copy instead of one
Python float per value."""


def numpy_dtype(dtype: int) -> np.dtype[Any]:
    """The NumPy type that holds the bits of a dtype of TensorFlow.

    Raises:
      UnsupportedDtypeError: no tensor of that dtype can travel.
    """
    try:
        return _STORAGE[dtype].numpy
    except KeyError as err:
        raise UnsupportedDtypeError(f"Unsupported tensor type: {dtype_name(dtype)}") from err


def dtype_name(dtype: int) -> str:
    """The dtype as TensorFlow's messages spell it, such as `float` or `int64`."""
    values = TensorProto.DESCRIPTOR.fields_by_name["dtype"].enum_type.values_by_number
    return values[dtype].name.removeprefix("DT_").lower() if dtype in values else f"unknown dtype enum ({dtype})"


def to_array(proto: Any) -> npt.NDArray[Any]:
    """Reads a TensorProto as from_proto does, where the bits alone will do."""
    return from_proto(proto).array


def write_array(array: npt.NDArray[Any], proto: Any) -> None:
    """Fills an empty TensorProto with an array of a type that NumPy and TensorFlow share, as `tensor_content`."""
    to_proto(Tensor(_DTYPES[array.dtype], np.asarray(array)), proto, as_content=True)


def from_proto(proto: Any) -> Tensor:
    """Reads a TensorProto: `tensor_content` where it is set, else the typed field.

    Too few values in a typed field: the last is repeated; none: zeros; too many: cut; `unknown_rank` is passed over.
    All as the original.

    Raises:
      ValueError: it describes no tensor (unknown sizes or dtype, or content whose length is not the shape's).
    """
    storage = _STORAGE.get(proto.dtype)
    shape = tuple(dim.size for dim in proto.tensor_shape.dim)
    if storage is None or any(size < 0 for size in shape):
        raise ValueError("unknown dtype or shape")
    size = math.prod(shape)
    content = proto.tensor_content  # each look at it is a copy
    if size * storage.numpy.itemsize > _MAX_TENSOR_BYTES:
        raise ValueError(f"{size} values are more than any message holds")
    if size == 0:
        flat = np.empty(0, storage.numpy)
    elif content:
        flat = _from_content(content, storage, size)
    else:
        flat = _from_field(getattr(proto, storage.field), storage, size)
    return Tensor(proto.dtype, flat.reshape(shape))


def _from_content(content: bytes, storage: _Storage, size: int) -> npt.NDArray[Any]:
    if not storage.is_string:
        if len(content) != size * storage.numpy.itemsize:
            raise ValueError(f"{len(content)} bytes for {size} values")
        if storage.numpy.kind == "b" and content.strip(b"\0\1"):
            raise ValueError("truth values other than 0 and 1")
        return np.frombuffer(content, storage.numpy)
    lengths, start = [], 0
    for _ in range(size):
        length, start = _varint(content, start)
        lengths.append(length)
    if start + sum(lengths) != len(content):
        raise ValueError("lengths of strings do not add up")
    flat = np.empty(size, object)
    for i, length in enumerate(lengths):
        flat[i] = content[start : start + length]
        start += length
    return flat


def _varint(content: bytes, start: int) -> tuple[int, int]:
    value = shift = 0
    while start < len(content) and shift < 35:
        byte = content[start]
        value |= (byte & 0x7F) << shift
        start += 1
        shift += 7
        if byte < 0x80:
            return value, start
    raise ValueError("length of a string is cut off")


def _from_field(field: Any, storage: _Storage, size: int) -> npt.NDArray[Any]:
    if storage.is_string:
        flat = np.full(size, b"", object)
        flat[: len(field)] = field[:size]
        flat[len(field) :] = field[-1] if len(field) else b""
        return flat
    if isinstance(field, bytes):
        entries = np.frombuffer(field, storage.entry)
    else:
        entries = np.fromiter(field, storage.entry, len(field))
    if storage.numpy.kind == "c":
        values = entries[: len(entries) // 2 * 2].view(storage.numpy)
    elif storage.field == "half_val":
        values = entries.astype(np.uint16).view(storage.numpy)
    else:
        values = entries.astype(storage.numpy, copy=False)
    if len(values) >= size:
        return values[:size]
    flat = np.full(size, values[-1] if len(values) else 0, storage.numpy)
    flat[: len(values)] = values
    return flat


def to_proto(tensor: Tensor, proto: Any, *, as_content: bool = False) -> None:
    """Fills an empty TensorProto with a tensor: typed field, or `tensor_content` where asked for."""
    proto.dtype = tensor.dtype
    proto.tensor_shape.SetInParent()
    for size in tensor.array.shape:
        proto.tensor_shape.dim.add(size=size)
    storage = _STORAGE[tensor.dtype]
    flat = np.ascontiguousarray(tensor.array).reshape(-1)
    if as_content:
        proto.tensor_content = _string_content(flat) if storage.is_string else flat.tobytes()
    elif storage.field in _PACKED_TAGS:
        if flat.size:
            header = bytes([_PACKED_TAGS[storage.field]]) + _encode_varint(flat.nbytes)
            proto.MergeFromString(b"".join((header, flat.data)))  # the values are copied once
    elif storage.field == "float8_val":
        proto.float8_val = flat.tobytes()
    elif storage.field == "half_val":
        proto.half_val.extend(flat.view(np.uint16).tolist())
    else:
        if storage.unused_bits:
            flat = flat << storage.unused_bits >> storage.unused_bits
        getattr(proto, storage.field).extend(flat.tolist())


def _encode_varint(value: int) -> bytes:
    encoded = bytearray()
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def _string_content(flat: npt.NDArray[Any]) -> bytes:
    return b"".join(_encode_varint(len(value)) for value in flat) + b"".join(flat)
