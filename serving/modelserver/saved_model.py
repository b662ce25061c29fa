"""Reading of a SavedModel, without TensorFlow."""

import re
from pathlib import Path
from typing import Any

from google.protobuf import text_format
from google.protobuf.message import DecodeError

from serving.modelserver.errors import DataLossError, InvalidArgumentError, NotFoundError, OutOfRangeError
from tfserving_api.messages import SavedModel, SignatureDef, pool

_BEGINNING = re.compile(rb"(?:\x08[\x80-\xff]*[\x00-\x7f])?\x12([\x80-\xff]{0,4}[\x00-\x7f])")
"""Of a SavedModel: its schema version, and how many bytes its first MetaGraphDef has."""
_VARIABLE_OPS = frozenset({"VarHandleOp", "VariableV2", "Variable"})


def read_signatures(path: Path, tags: frozenset[str]) -> dict[str, Any]:
    """Returns the SignatureDefs, by name, of the MetaGraphDef with exactly these tags. Its variables have to be there.

    The original would load a model whose variables have not been written yet, take the good old version out
    of service, and fail every request; here it does not load.

    Raises:
      NotFoundError: no SavedModel, no such tags, or variables missing.
      OutOfRangeError: saved_model.pb is cut off.
      DataLossError: it is no SavedModel.
    """
    meta_graph = read_meta_graph(path, tags)
    if _has_variables(meta_graph) and not (path / "variables" / "variables.index").is_file():
        raise NotFoundError(f"The variables of the SavedModel are missing: {path / 'variables' / 'variables.index'}")
    return {name: _copy(signature) for name, signature in meta_graph.signature_def.items()}


def read_meta_graph(path: Path, tags: frozenset[str]) -> Any:
    """Returns the MetaGraphDef with exactly these tags.

    Raises:
      NotFoundError: no SavedModel, or no such tags.
      OutOfRangeError: saved_model.pb is cut off.
      DataLossError: it is no SavedModel.
    """
    for meta_graph in _read(path).meta_graphs:
        if frozenset(meta_graph.meta_info_def.tags) == tags:
            return meta_graph
    raise NotFoundError(
        "Could not find meta graph def matching supplied tags: { " + " ".join(sorted(tags)) + " }. "
        "To inspect available tag-sets in the SavedModel, please use the SavedModel CLI: `saved_model_cli`"
    )


def write_single_signature(path: Path, tags: frozenset[str], name: str, new_name: str, directory: Path) -> None:
    """Writes a SavedModel with one signature of another, under another name. Its variables are linked to.

    Args:
      path: the SavedModel to take it from.
      tags: of the MetaGraph.
      name: the signature to keep.
      new_name: what it is called in the new one.
      directory: where to write; it exists.
    """
    meta_graph = read_meta_graph(path, tags)
    signature = _copy(meta_graph.signature_def[name])
    meta_graph.signature_def.clear()
    meta_graph.signature_def[new_name].CopyFrom(signature)
    single = SavedModel(saved_model_schema_version=1, meta_graphs=[meta_graph])
    (directory / "saved_model.pb").write_bytes(single.SerializeToString())
    for part in ("variables", "assets"):
        if (path / part).is_dir():
            (directory / part).symlink_to((path / part).resolve())


def is_init_op(signature: Any) -> bool:
    """Whether a SignatureDef only names the operation that initializes the graph: it has no tensors."""
    return not signature.inputs and all(info.dtype == 0 for info in signature.outputs.values())


def _copy(signature: Any) -> Any:
    """A copy does not keep the whole SavedModel with all constants of the graph in memory."""
    return SignatureDef.FromString(signature.SerializeToString())


def _read(path: Path) -> Any:
    binary, text = path / "saved_model.pb", path / "saved_model.pbtxt"
    try:
        if binary.is_file():
            return _parsed(binary)
        if text.is_file():
            return text_format.Parse(text.read_text(), SavedModel(), descriptor_pool=pool)
    except (UnicodeDecodeError, text_format.ParseError) as err:
        raise InvalidArgumentError(f"Can't parse {text} as text proto: {err}") from err
    raise NotFoundError(f"Could not find SavedModel .pb or .pbtxt at supplied export directory path: {path}")


def _parsed(path: Path) -> Any:
    content = path.read_bytes()
    try:
        return SavedModel.FromString(content)
    except DecodeError as err:
        if _is_cut_off(content):
            raise OutOfRangeError("Read less bytes than requested") from err
        raise DataLossError(f"Can't parse {path} as binary proto") from err


def _is_cut_off(content: bytes) -> bool:
    """Whether the first MetaGraphDef of a SavedModel claims more bytes than there are."""
    found = _BEGINNING.match(content)
    if found is None:
        return False
    claimed: int = sum((byte & 0x7F) << 7 * i for i, byte in enumerate(found[1]))
    return claimed > len(content) - found.end()


def _has_variables(meta_graph: Any) -> bool:
    return bool(meta_graph.saver_def.restore_op_name) and any(
        node.op in _VARIABLE_OPS for node in meta_graph.graph_def.node
    )
