"""TensorFlow's C API, as far as serving a SavedModel needs it, through ctypes.

`libtensorflow_cc`, which the `tensorflow` package ships, loads and runs SavedModels exactly as TensorFlow
Serving does, with its error texts. The Python package on top of it would cost two seconds of start-up, holds
the interpreter lock while it loads a graph (so predictions stall), and refuses or casts tensors on its own.

Source: tensorflow/c/c_api.h, tf_tensor.h and tf_tstring.h, stable across TensorFlow 2.
"""

import ctypes
import importlib.util
import os
import sys
from ctypes import POINTER, Structure, c_char_p, c_int, c_int64, c_size_t, c_void_p
from functools import cache
from pathlib import Path
from typing import Any

from serving.modelserver.errors import UnavailableError, error_of_code

TSTRING_BYTES = 24
"""Size of a TF_TString."""

Deallocator = ctypes.CFUNCTYPE(None, c_void_p, c_size_t, c_void_p)


class Output(Structure):
    """TF_Output: one output of one operation of a graph."""

    _fields_ = (("operation", c_void_p), ("index", c_int))


class Buffer(Structure):
    """TF_Buffer: borrowed bytes."""

    _fields_ = (("data", c_char_p), ("length", c_size_t), ("deallocator", c_void_p))


_SIGNATURES: dict[str, tuple[Any, ...]] = {
    "TF_NewStatus": (c_void_p,),
    "TF_DeleteStatus": (None, c_void_p),
    "TF_GetCode": (c_int, c_void_p),
    "TF_Message": (c_char_p, c_void_p),
    "TF_NewGraph": (c_void_p,),
    "TF_DeleteGraph": (None, c_void_p),
    "TF_GraphOperationByName": (c_void_p, c_void_p, c_char_p),
    "TF_NewSessionOptions": (c_void_p,),
    "TF_DeleteSessionOptions": (None, c_void_p),
    "TF_LoadSessionFromSavedModel": (
        c_void_p,
        c_void_p,
        c_void_p,
        c_char_p,
        POINTER(c_char_p),
        c_int,
        c_void_p,
        c_void_p,
        c_void_p,
    ),
    "TF_SessionRun": (
        None,
        c_void_p,
        c_void_p,
        POINTER(Output),
        POINTER(c_void_p),
        c_int,
        POINTER(Output),
        POINTER(c_void_p),
        c_int,
        c_void_p,
        c_int,
        c_void_p,
        c_void_p,
    ),
    "TF_CloseSession": (None, c_void_p, c_void_p),
    "TF_DeleteSession": (None, c_void_p, c_void_p),
    "TF_AllocateTensor": (c_void_p, c_int, POINTER(c_int64), c_int, c_size_t),
    "TF_NewTensor": (c_void_p, c_int, POINTER(c_int64), c_int, c_void_p, c_size_t, Deallocator, c_void_p),
    "TF_DeleteTensor": (None, c_void_p),
    "TF_TensorData": (c_void_p, c_void_p),
    "TF_TensorByteSize": (c_size_t, c_void_p),
    "TF_TensorType": (c_int, c_void_p),
    "TF_NumDims": (c_int, c_void_p),
    "TF_Dim": (c_int64, c_void_p, c_int),
    "TF_StringInit": (None, c_void_p),
    "TF_StringCopy": (None, c_void_p, c_char_p, c_size_t),
    "TF_StringGetDataPointer": (c_void_p, c_void_p),
    "TF_StringGetSize": (c_size_t, c_void_p),
    "TF_StringDealloc": (None, c_void_p),
}


@cache
def runtime() -> Any:
    """Loads the runtime: about 0.4 s and 300 MB, most of it the library's own pages.

    Raises:
      UnavailableError: `tensorflow` is not installed.
    """
    # oneDNN's convolutions abort the whole process on a request of the wrong rank (seen with 2.21),
    # Eigen's answer INVALID_ARGUMENT. The runtime reads its settings from the environment, once, as it loads.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    # A bad request is the caller's to know of; without this each is a warning in the log.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    spec = importlib.util.find_spec("tensorflow")
    if spec is None or not spec.submodule_search_locations:
        raise UnavailableError("the TensorFlow engine needs the package tensorflow, which is not installed")
    name = "libtensorflow_cc.2.dylib" if sys.platform == "darwin" else "libtensorflow_cc.so.2"
    path = str(Path(spec.submodule_search_locations[0]) / name)
    # ctypes holds the interpreter lock while it opens a library, and predictions with it; a call does not.
    ctypes.CDLL(None).dlopen(path.encode(), os.RTLD_NOW)
    loaded = ctypes.CDLL(path)
    for function, (result, *arguments) in _SIGNATURES.items():
        getattr(loaded, function).restype = result
        getattr(loaded, function).argtypes = arguments
    return loaded


class Status:
    """A TF_Status for one call after another.

    `with Status() as status: lib.TF_Something(..., status.pointer); status.check()`
    """

    def __enter__(self) -> "Status":
        self.pointer = runtime().TF_NewStatus()
        return self

    def __exit__(self, *_: object) -> None:
        runtime().TF_DeleteStatus(self.pointer)

    def check(self) -> None:
        """Raises the ServingError of the status, if it is one."""
        code = runtime().TF_GetCode(self.pointer)
        if code:
            raise error_of_code(code, runtime().TF_Message(self.pointer).decode("utf-8", "replace"))
