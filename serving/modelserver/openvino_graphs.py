"""Which graphs OpenVINO computes as TensorFlow does, as far as they tell by their operations."""

from collections.abc import Iterable, Iterator, Mapping
from operator import attrgetter
from typing import Any

import numpy as np

from tfserving_api.tensors import DT_STRING, to_array

_FLOAT, _DOUBLE, _INT32, _UINT8, _INT8, _INT64, _BOOL, _BFLOAT16, _HALF, _UINT32, _UINT64 = (
    1, 2, 3, 4, 6, 9, 10, 14, 19, 22, 23,
)  # fmt: skip
_INT32_RANGE = np.iinfo(np.int32)

_CHECKS = frozenset({"Assert", "CheckNumerics", "CheckNumericsV2", "EnsureShape"})
_WRITES = ("Assign", "ResourceApply", "ResourceScatter", "ResourceStridedSliceAssign")
_LOOKUPS = ("Gather", "ResourceGather", "TensorScatter")
_DIVISIONS = frozenset({"Div", "FloorDiv", "FloorMod", "Mod", "TruncateDiv", "TruncateMod"})
_PRODUCTS = frozenset({"Mul", "Square", "Pow", "Prod", "Cumprod", "LeftShift", "MatMul", "BatchMatMulV2", "Bitcast"})
_SUMS = frozenset({"Add", "AddV2", "AddN", "BiasAdd", "Sub", "Neg", "Abs", "Sum", "Mean", "Cumsum"})
_TOTALS = frozenset({"Sum", "Mean", "Cumsum"})
_SHAPES = frozenset({"Shape", "ShapeN", "Size", "Rank"})
_FEEDS = frozenset({"Placeholder", "PlaceholderWithDefault"})

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
    if node.op in _CHECKS or (_checks_second(node, types) and _is_fed(node.input[1], neighbours)):
        return "has a check that OpenVINO leaves out"
    if not {_DOUBLE, _UINT64}.isdisjoint(types.values()) or _may_be_wide(node, types):
        return "needs 64 bits, of which OpenVINO computes 32"
    if _UINT32 in types.values() or _may_be_over_24_bits(node, types, neighbours):
        return "needs 32 bits, of which OpenVINO may keep 24"
    if types.get("T") in {_UINT8, _INT8} and node.op in _SUMS | _PRODUCTS:
        return "wraps around where OpenVINO saturates"
    return None


def _checks_second(node: Any, types: Mapping[str, int]) -> bool:
    """Whether TensorFlow refuses some values of the second input: indices out of range, a divisor of zero."""
    is_integer = types.get("T") not in {_FLOAT, _DOUBLE, _BFLOAT16, _HALF}
    return node.op.startswith(_LOOKUPS) or (node.op in _DIVISIONS and is_integer)


def _may_be_wide(node: Any, types: Mapping[str, int]) -> bool:
    """Whether an int64 may need its upper half. Truth values, indices, small constants and sums of them do not."""
    if node.op == "Cast":
        return types.get("DstT") == _INT64 and types.get("SrcT") != _BOOL
    if node.op == "Const" and types.get("dtype") == _INT64:
        values = to_array(node.attr["value"].tensor)
        return bool(np.any((values < _INT32_RANGE.min) | (values > _INT32_RANGE.max)))
    return types.get("dtype") == _INT64 or (types.get("T") == _INT64 and node.op in _PRODUCTS)


def _may_be_over_24_bits(node: Any, types: Mapping[str, int], neighbours: Mapping[str, Any]) -> bool:
    """Whether an int32 may need its upper bits: OpenVINO computes some operations on it in floats. Shapes do not."""
    if node.op in _FEEDS:
        return types.get("dtype") == _INT32
    grows = types.get("T") == _INT32 and node.op in _PRODUCTS | _TOTALS
    return grows and any(_is_fed(tensor, neighbours) for tensor in node.input)


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
