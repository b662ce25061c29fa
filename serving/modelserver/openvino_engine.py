"""The fast engine: OpenVINO, for versions of which it can convert every signature."""

import logging
import os
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from serving.modelserver.errors import (
    DeadlineExceededError,
    InvalidArgumentError,
    OutOfRangeError,
    ResourceExhaustedError,
    ServingError,
)
from serving.modelserver.memory import release_memory
from serving.modelserver.openvino_graphs import objection
from serving.modelserver.predict import DEFAULT_SIGNATURE
from serving.modelserver.saved_model import is_init_op, read_meta_graph, write_single_signature
from tfserving_api.tensors import Tensor, dtype_name, numpy_dtype

_log = logging.getLogger(__name__)


class ConversionError(Exception):
    """OpenVINO cannot stand in for TensorFlow on this version; the text says why."""


class OpenVINOEngine:
    """Every signature of a SavedModel, compiled for the processor."""

    def __init__(self, path: Path, signatures: Mapping[str, Any], tags: frozenset[str], precision: str) -> None:
        """Converts and compiles each signature but the init op.

        Args:
          path: directory of the SavedModel.
          signatures: the SignatureDefs of the MetaGraph with these tags.
          tags: of the MetaGraph.
          precision: `f32` or `bf16`, for the computation inside.

        Raises:
          ConversionError: it cannot do one of them, or not as TensorFlow does.
        """
        self._init_ops = {
            name: ",".join(info.name for info in signature.outputs.values())
            for name, signature in signatures.items()
            if is_init_op(signature)
        }
        graph_def = read_meta_graph(path, tags).graph_def
        for name, signature in signatures.items():
            if reason := objection(graph_def, signature):
                raise ConversionError(f"signature {name} {reason}")
        self._compiled = {
            name: _CompiledSignature(path, name, signature, tags, precision)
            for name, signature in signatures.items()
            if name not in self._init_ops
        }

    def run(
        self, signature_name: str, inputs: Mapping[str, Tensor], outputs: Sequence[str], timeout_s: float | None
    ) -> dict[str, Tensor]:
        """See `Engine.run`. The time limit holds until the computation begins."""
        if signature_name not in self._compiled:
            raise OutOfRangeError(
                f"Node '{self._init_ops[signature_name]}' (type: 'NoOp', num of outputs: 0) does not have output 0"
            )
        return self._compiled[signature_name].run(inputs, outputs, timeout_s)

    def close(self) -> None:
        """See `Engine.close`."""
        self._compiled.clear()


class _CompiledSignature:
    """One signature, and the graph that runs it."""

    def __init__(self, path: Path, name: str, signature: Any, tags: frozenset[str], precision: str) -> None:
        inputs = sorted(signature.inputs.items(), key=lambda item: item[1].name)  # the order in which TensorFlow counts
        self._inputs = {alias: info.dtype for alias, info in inputs}
        self._outputs = {alias: info.dtype for alias, info in signature.outputs.items()}
        compile_signature = partial(_compile, path, name, tags, precision)
        compiled = compile_signature()
        self._graph = _Graph(compiled, compile_signature)
        self._shapes = _matched(name, compiled.inputs, self._inputs)
        result_shapes = _matched(name, compiled.outputs, self._outputs)
        self._is_batched = bool(self._inputs) and all(
            shape[:1] == [None] for shapes in (self._shapes, result_shapes) for shape in shapes.values()
        )
        self._output_index = {
            alias: index
            for index, port in enumerate(compiled.outputs)
            for alias in port.names
            if alias in self._outputs
        }

    def run(self, inputs: Mapping[str, Tensor], outputs: Sequence[str], timeout_s: float | None) -> dict[str, Tensor]:
        feeds = {alias: self._checked(index, alias, inputs[alias]) for index, alias in enumerate(self._inputs)}
        try:
            values = self._infer(feeds, timeout_s)
        except RuntimeError as err:
            if _is_out_of_memory(err):
                raise ResourceExhaustedError(f"OpenVINO: {_last_line(err)}") from err
            # Types and ranks are those of the signature: it is the sizes that do not go together.
            raise InvalidArgumentError(f"OpenVINO: {_last_line(err)}") from err
        return {alias: Tensor(self._outputs[alias], values[self._output_index[alias]]) for alias in outputs}

    def _infer(self, feeds: Mapping[str, Any], timeout_s: float | None) -> Sequence[Any]:
        if self._is_batched and not any(len(array) for array in feeds.values()):
            # Some operations of OpenVINO refuse an empty batch, and the graph is lost then; so one row runs, and goes.
            row = {alias: np.zeros((1, *array.shape[1:]), array.dtype) for alias, array in feeds.items()}
            with suppress(RuntimeError):
                values = self._graph.infer(row, timeout_s)
                if all(len(value) == 1 for value in values):
                    return [value[:0] for value in values]
            self._is_batched = False  # one row does not run, or is none of several
        return self._graph.infer(feeds, timeout_s)

    def _checked(self, index: int, alias: str, tensor: Tensor) -> Any:
        expected = self._inputs[alias]
        if tensor.dtype != expected:
            raise InvalidArgumentError(
                f"Expects arg[{index}] to be {dtype_name(expected)} but {dtype_name(tensor.dtype)} is provided"
            )
        shape = self._shapes[alias]
        fits = len(shape) == tensor.array.ndim and all(
            want in {None, size} for want, size in zip(shape, tensor.array.shape, strict=True)
        )
        if not fits:
            raise InvalidArgumentError(
                f"Input {alias} has shape {_text(tensor.array.shape)}; it must be {_text(shape)}"
            )
        return tensor.array


class _Graph:
    """A compiled graph, for one inference at a time.

    An inference that fails leaves its sizes in the graph, and the next one would fail by them. So the graph is compiled
    anew before the caller of the failed one is answered.
    """

    def __init__(self, compiled: Any, compile_anew: Callable[[], Any]) -> None:
        self._compile_anew = compile_anew
        self._request = compiled.create_infer_request()
        self._lock = threading.Lock()
        self._largest_bytes = 0

    def infer(self, feeds: Mapping[str, Any], timeout_s: float | None) -> Sequence[Any]:
        """Computes all outputs.

        Args:
          feeds: by name of the input.
          timeout_s: how long to wait for the inferences before this one; None is for ever.

        Raises:
          DeadlineExceededError: the others took that long.
          RuntimeError: the graph does not compute these sizes.
        """
        if not self._lock.acquire(timeout=-1 if timeout_s is None else timeout_s):
            raise DeadlineExceededError("Deadline exceeded while waiting for the requests before it")
        try:
            values: Sequence[Any] = self._request.infer(feeds, share_inputs=True).to_tuple()
            self._release_what_was_too_small(feeds)
            return values
        except RuntimeError as err:
            if not _is_out_of_memory(err):  # which leaves no sizes, and the graph anew would need more still
                self._renew()
            raise
        finally:
            self._lock.release()

    def _release_what_was_too_small(self, feeds: Mapping[str, Any]) -> None:
        """Inputs larger than any before have larger buffers made, and leave holes where the old ones were.

        After batches of 1 to 32 the process held 818 MB, 322 of them holes; releasing takes up to 7 ms, once a size.
        """
        fed_bytes = sum(array.nbytes for array in feeds.values())
        if fed_bytes > self._largest_bytes:
            self._largest_bytes = fed_bytes
            release_memory()

    def _renew(self) -> None:
        try:
            self._request = self._compile_anew().create_infer_request()
            self._largest_bytes = 0
        except (ConversionError, ServingError) as err:  # as where the directory is gone
            _log.error("A graph that failed cannot be compiled anew: %s", err)


def _compile(path: Path, name: str, tags: frozenset[str], precision: str) -> Any:
    with _starting:
        openvino, core = _openvino()
    options = {
        # One call at a time, on all cores. Measured on 2 cores with a small CNN: a lone batch of 32 runs twice as
        # fast as with a stream per core, and calls that come together lose nothing but for single images.
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": 1,
        # Pinned threads of two processes meet on the same core.
        "ENABLE_CPU_PINNING": False,
        # OpenVINO's own choice is bf16 where the processor has it.
        "INFERENCE_PRECISION_HINT": precision,
    }
    try:
        with tempfile.TemporaryDirectory(prefix="signature-") as directory:
            # OpenVINO converts the signature serving_default and no other.
            write_single_signature(path, tags, name, DEFAULT_SIGNATURE, Path(directory))
            return core.compile_model(core.read_model(directory), "CPU", options)
    except OSError as err:
        raise ConversionError(f"signature {name} cannot be written for OpenVINO to read: {err.strerror}") from err
    except (RuntimeError, openvino.frontend.OpConversionFailure) as err:
        raise ConversionError(f"signature {name} does not convert: {_last_line(err)}") from err


_starting = threading.Lock()
"""Versions load in several threads, and `cache` lets them all in."""


@cache
def _openvino() -> tuple[Any, Any]:
    # The package reports its use to its maker wherever it finds this module; without it, it has a stub of its own.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type] # None makes the import fail
    # Compiled code is kept twice, by version and by process. The second copy outlives the version: 70 MB, once it has
    # met batches of all sizes; and it makes nothing faster.
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "0")
    try:
        import openvino
    except ImportError as err:
        raise ConversionError("the package openvino is not installed") from err
    # The first of these calls in a process imports NumPy's types; two threads that meet in it stop each other for good.
    openvino.Type.u8.to_dtype()
    core = openvino.Core()
    # A file that is overwritten while it is mapped would end the process.
    core.set_property({"ENABLE_MMAP": False})
    return openvino, core


def _matched(name: str, ports: Sequence[Any], dtypes: Mapping[str, int]) -> dict[str, list[int | None]]:
    """Checks that converted ports are those of the signature, and returns their shapes; None is any size."""
    by_alias = {alias: port for port in ports for alias in port.names if alias in dtypes}
    if set(by_alias) != set(dtypes) or len(ports) != len(dtypes):
        raise ConversionError(f"signature {name} loses a tensor in conversion")
    for alias, port in by_alias.items():
        if np.dtype(port.get_element_type().to_dtype()) != numpy_dtype(dtypes[alias]):
            raise ConversionError(f"signature {name} changes the type of {alias} in conversion")
    return {
        alias: [dim.get_length() if dim.is_static else None for dim in port.get_partial_shape()]
        for alias, port in by_alias.items()
    }


def _last_line(err: Exception) -> str:
    """What OpenVINO says after its own source lines and advice."""
    lines = [line.strip() for line in str(err).splitlines()]
    told = [line for line in lines if line and not line.startswith(("Exception from", "Check ", "To facilitate"))]
    return told[-1] if told else type(err).__name__


def _is_out_of_memory(err: RuntimeError) -> bool:
    return "allocate" in str(err)


def _text(shape: Sequence[int | None]) -> str:
    return "[" + ",".join("?" if size is None else str(size) for size in shape) + "]"
