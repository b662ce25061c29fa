"""The engine for every SavedModel: TensorFlow's own runtime."""

import ctypes
from collections.abc import Iterable, Mapping, Sequence
from ctypes import c_char_p, c_void_p
from pathlib import Path
from typing import Any

from serving.modelserver import tensorflow_c
from serving.modelserver.errors import InvalidArgumentError
from serving.modelserver.tensorflow_c import Buffer, Output, Status
from serving.modelserver.tensorflow_tensors import from_tensorflow, to_tensorflow
from tfserving_api.messages import RunOptions
from tfserving_api.tensors import Tensor


class TensorFlowEngine:
    """A SavedModel in a session of TensorFlow."""

    def __init__(self, path: Path, signatures: Mapping[str, Any], tags: frozenset[str]) -> None:
        """Loads graph and variables, and runs the init op.

        Args:
          path: directory of the SavedModel.
          signatures: the SignatureDefs of the MetaGraph with these tags.
          tags: of the MetaGraph to load.

        Raises:
          ServingError: what the runtime says.
        """
        self._lib = tensorflow_c.runtime()
        self._graph = self._lib.TF_NewGraph()
        try:
            self._session = self._load(path, tags)
        except BaseException:
            self._lib.TF_DeleteGraph(self._graph)
            raise
        self._inputs = {name: self._endpoints_of(signature.inputs) for name, signature in signatures.items()}
        self._outputs = {name: self._endpoints_of(signature.outputs) for name, signature in signatures.items()}

    def _load(self, path: Path, tags: frozenset[str]) -> int:
        lib = self._lib
        options = lib.TF_NewSessionOptions()
        try:
            with Status() as status:
                encoded = (c_char_p * len(tags))(*(tag.encode() for tag in tags))
                session: int = lib.TF_LoadSessionFromSavedModel(
                    options, None, str(path).encode(), encoded, len(tags), self._graph, None, status.pointer
                )
                status.check()
                return session
        finally:
            lib.TF_DeleteSessionOptions(options)

    def _endpoints_of(self, tensors: Mapping[str, Any]) -> dict[str, Output | str]:
        return {alias: self._endpoint(info.name) for alias, info in tensors.items()}

    def _endpoint(self, tensor_name: str) -> Output | str:
        """The graph's own end of a signature's tensor; the name, where the graph has no such operation."""
        operation_name, _, index = tensor_name.partition(":")
        operation = self._lib.TF_GraphOperationByName(self._graph, operation_name.encode())
        return Output(operation, int(index or 0)) if operation else tensor_name

    def run(
        self, signature_name: str, inputs: Mapping[str, Tensor], outputs: Sequence[str], timeout_s: float | None
    ) -> dict[str, Tensor]:
        """See `Engine.run`."""
        feeds = _endpoints(self._inputs[signature_name], inputs)
        fetches = _endpoints(self._outputs[signature_name], outputs)
        results = (c_void_p * len(outputs))()
        fed: list[c_void_p] = []
        try:
            for tensor in inputs.values():
                fed.append(to_tensorflow(tensor))  # noqa: PERF401 what is fed is freed, also when the next one fails
            self._run(feeds, _array_of(c_void_p, fed), fetches, results, timeout_s)
            return {alias: from_tensorflow(result) for alias, result in zip(outputs, results, strict=True)}
        finally:
            for pointer in (*fed, *results):
                if pointer:
                    self._lib.TF_DeleteTensor(pointer)

    def _run(self, feeds: Any, fed: Any, fetches: Any, results: Any, timeout_s: float | None) -> None:
        options = None
        if timeout_s is not None:
            serialized = RunOptions(timeout_in_ms=max(1, int(timeout_s * 1000))).SerializeToString()
            options = ctypes.byref(Buffer(serialized, len(serialized), None))
        with Status() as status:
            self._lib.TF_SessionRun(
                self._session, options, feeds, fed, len(fed), fetches, results, len(results), None, 0, None,
                status.pointer,
            )  # fmt: skip
            status.check()

    def close(self) -> None:
        """See `Engine.close`."""
        with Status() as status:
            self._lib.TF_CloseSession(self._session, status.pointer)
            self._lib.TF_DeleteSession(self._session, status.pointer)
        self._lib.TF_DeleteGraph(self._graph)


def _array_of(element: Any, values: Sequence[Any]) -> Any:
    return (element * len(values))(*values)


def _endpoints(known: Mapping[str, Output | str], aliases: Iterable[str]) -> Any:
    endpoints = [known[alias] for alias in aliases]
    for endpoint in endpoints:
        if isinstance(endpoint, str):
            raise InvalidArgumentError(
                f"Tensor {endpoint}, specified in either feed_devices or fetch_devices was not found in the Graph"
            )
    return _array_of(Output, endpoints)
