"""Which graphs OpenVINO computes as TensorFlow does, as far as they tell by their operations."""

from collections.abc import Iterable, Iterator, Mapping
from operator import attrgetter
from typing import Any

import numpy as np

from tfserving_api.tensors import DT_STRING, to_array

_DOUBLE, _INT32, _UINT8, _INT16, _INT8, _INT64, _BOOL, _UINT16, _UINT32, _UINT64 = 2, 3, 4, 5, 6, 9, 10, 17, 22, 23
_NARROW, _WIDE = frozenset({_UINT8, _INT8, _UINT16, _INT16}), frozenset({_INT32, _INT64})

_CHECKS = frozenset({"Assert", "CheckNumerics", "CheckNumericsV2", "EnsureShape"})
_WRITES = ("Assign", "ResourceApply", "ResourceScatter", "ResourceStridedSliceAssign")
_LOOKUPS = ("Gather", "ResourceGather", "TensorScatter")
_SHAPES = frozenset({"Shape", "ShapeN", "Size", "Rank"})
_FEEDS = frozenset({"Placeholder", "PlaceholderWithDefault"})
_MOVES = _SHAPES | {
    "Identity", "StopGradient", "Reshape", "ExpandDims", "Squeeze", "Transpose", "ReverseV2", "Pack", "Unpack",
    "ConcatV2", "Split", "SplitV", "Slice", "StridedSlice", "Tile", "BroadcastTo", "OnesLike", "ZerosLike", "Select",
    "SelectV2", "Equal", "NotEqual", "Less", "LessEqual", "Greater", "GreaterEqual", "Max", "Min", "Maximum", "Minimum",
    "ArgMax", "ArgMin", "OneHot", "ResizeBilinear", "ResizeNearestNeighbor",
}  # fmt: skip
"""What makes of integers none but those that were there, places and sizes, truth values, or floats."""
_SUMS = frozenset({"AddV2", "Sub", "Abs", "Sum"})

_functions_in = attrgetter("library.function")
"""The FunctionDefs of a GraphDef."""


def objection(graph_def: Any, signature: Any) -> str | None:
    """Why OpenVINO's answers may differ, where stored answers need not show it; None if nothing is known against it.

    Args:
      graph_def: the graph of the SavedModel, with its functions.
      signature: one of its SignatureDefs.
    """
    if DT_STRING in {info.dtype for info in (*signature.inputs.values(), *signature.outputs.values())}:
        return "has strings"
    for node, neighbours in _running(graph_def, signature):
        if reason := _objection(node, neighbours):
            return f"{reason}: {node.op} {node.name}"
    return None


def _objection(node: Any, neighbours: Mapping[str, Any]) -> str | None:
    types = {name: value.type for name, value in node.attr.items() if value.WhichOneof("value") == "type"}
    if node.op.startswith(_WRITES):
        return "changes a variable, which OpenVINO freezes"
    if node.op in _CHECKS or (node.op.startswith(_LOOKUPS) and _is_fed(node.input[1], neighbours)):
        return "has a check that OpenVINO leaves out"
    if _is_beyond(node, types) or (_computes(node, types) and any(_is_fed(each, neighbours) for each in node.input)):
        return "has numbers that OpenVINO may compute otherwise"
    return None


def _is_beyond(node: Any, types: Mapping[str, int]) -> bool:
    """Whether numbers come in that need more than the 24 to 32 bits that OpenVINO keeps."""
    if not {_DOUBLE, _UINT32, _UINT64}.isdisjoint(types.values()):
        return True
    if node.op == "Const" and types["dtype"] == _INT64:
        values = to_array(node.attr["value"].tensor)
        return bool((values != values.astype(np.int32)).any())
    return node.op != "Const" and types.get("dtype") in _WIDE


def _computes(node: Any, types: Mapping[str, int]) -> bool:
    """Whether integers are computed with, which OpenVINO does in fewer bits, in floats, or without wrapping around.

    Those of 8 or 16 bits, which callers may send, may be moved and no more. Those of 32 or 64 are made of truth values,
    places and sizes; sums of these are small.
    """
    if node.op == "Cast":
        return types["DstT"] in _NARROW | _WIDE and types["SrcT"] not in _WIDE | {_BOOL}
    kind = types.get("T")
    return (kind in _NARROW and node.op not in _MOVES) or (kind in _WIDE and node.op not in _MOVES | _SUMS)


def _is_fed(tensor: str, neighbours: Mapping[str, Any]) -> bool:
    """Whether a tensor depends on values from outside the graph or function, and not on their shapes alone."""
    sources = (neighbours.get(name) for name in _sources([tensor], neighbours, _SHAPES))
    return any(source is None or source.op in _FEEDS for source in sources)


def _running(graph_def: Any, signature: Any) -> Iterator[tuple[Any, Mapping[str, Any]]]:
    """The operations that a signature runs, each with those of its graph or function by name."""
    functions = {each.signature.name: {node.name: node for node in each.node_def} for each in _functions_in(graph_def)}
    graph = {node.name: node for node in graph_def.node}
    needed = _sources((info.name for info in signature.outputs.values()), graph)
    pending, called = [{name: graph[name] for name in needed if name in graph}], set[str]()
    while pending:
        nodes = pending.pop()
        for node in nodes.values():
            yield node, nodes
            new = _functions_of(node) & functions.keys() - called
            called |= new
            pending += [functions[name] for name in new]


def _functions_of(node: Any) -> set[str]:
    attributes = node.attr.values()
    return {each.func.name for each in attributes} | {func.name for each in attributes for func in each.list.func}


def _sources(tensors: Iterable[str], nodes: Mapping[str, Any], ends: frozenset[str] = frozenset()) -> set[str]:
    """Names of the operations that tensors are computed from, and not beyond those in `ends`."""
    found, pending = set[str](), [*tensors]
    while pending:
        name = pending.pop().removeprefix("^").partition(":")[0]
        if name in found:
            continue
        found.add(name)
        if name in nodes and nodes[name].op not in ends:
            pending += nodes[name].input
    return found
