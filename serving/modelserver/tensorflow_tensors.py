"""Tensors between NumPy and TensorFlow's C API."""

import ctypes
from ctypes import c_char, c_int64, c_void_p
from typing import Any

import numpy as np
import numpy.typing as npt

from serving.modelserver import tensorflow_c
from serving.modelserver.errors import InvalidArgumentError
from serving.modelserver.tensorflow_c import TSTRING_BYTES
from tfserving_api.tensors import DT_STRING, Tensor, UnsupportedDtypeError, numpy_dtype

_string_memory: dict[int, Any] = {}
"""Memory of string tensors, by address, for as long as the runtime holds it."""


def to_tensorflow(tensor: Tensor) -> c_void_p:
    """Copies a tensor into the runtime's own aligned memory.

    A graph may keep its input (assign it to a variable), so the runtime must own it.

    Returns:
      A TF_Tensor, for the caller to delete.
    """
    lib = tensorflow_c.runtime()
    shape = (c_int64 * tensor.array.ndim)(*tensor.array.shape)
    array = np.ascontiguousarray(tensor.array)
    if tensor.dtype == DT_STRING:
        return _strings_to_tensorflow(array.reshape(-1), shape)
    pointer = lib.TF_AllocateTensor(tensor.dtype, shape, len(shape), array.nbytes)
    ctypes.memmove(lib.TF_TensorData(pointer), array.ctypes.data, array.nbytes)
    return c_void_p(pointer)


def _strings_to_tensorflow(strings: npt.NDArray[Any], shape: Any) -> c_void_p:
    lib = tensorflow_c.runtime()
    memory = (c_char * max(1, TSTRING_BYTES * len(strings)))()
    address = ctypes.addressof(memory)
    for i, string in enumerate(strings):
        lib.TF_StringInit(address + i * TSTRING_BYTES)
        lib.TF_StringCopy(address + i * TSTRING_BYTES, string, len(string))
    _string_memory[address] = memory
    size = TSTRING_BYTES * len(strings)
    return c_void_p(lib.TF_NewTensor(DT_STRING, shape, len(shape), address, size, _string_deallocator, None))


def _free_strings(address: int, size: int, _: object) -> None:
    for offset in range(0, size, TSTRING_BYTES):
        tensorflow_c.runtime().TF_StringDealloc(address + offset)
    del _string_memory[address]


_string_deallocator = tensorflow_c.Deallocator(_free_strings)


def from_tensorflow(pointer: int) -> Tensor:
    """Copies a TF_Tensor out of the runtime. It stays the caller's to delete.

    Raises:
      InvalidArgumentError: a resource or variant, which cannot travel.
    """
    lib = tensorflow_c.runtime()
    dtype = lib.TF_TensorType(pointer)
    try:
        numpy = numpy_dtype(dtype)
    except UnsupportedDtypeError as err:
        raise InvalidArgumentError(str(err)) from err
    shape = tuple(lib.TF_Dim(pointer, axis) for axis in range(lib.TF_NumDims(pointer)))
    data, size = lib.TF_TensorData(pointer), lib.TF_TensorByteSize(pointer)
    if dtype == DT_STRING:
        flat = _strings_from_tensorflow(data, int(np.prod(shape, dtype=np.int64)))
    elif size == 0:
        flat = np.empty(0, numpy)
    else:
        flat = np.frombuffer((c_char * size).from_address(data), numpy).copy()
    return Tensor(dtype, flat.reshape(shape))


def _strings_from_tensorflow(address: int, count: int) -> npt.NDArray[Any]:
    lib = tensorflow_c.runtime()
    strings = np.empty(count, object)
    for i in range(count):
        string = address + i * TSTRING_BYTES
        strings[i] = ctypes.string_at(lib.TF_StringGetDataPointer(string), lib.TF_StringGetSize(string))
    return strings
