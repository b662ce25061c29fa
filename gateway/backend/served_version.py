"""What the gateway knows of a version that serving holds."""

from dataclasses import dataclass
from typing import Any, TypeAlias

from gateway.errors import UnsupportedSignatureError
from gateway.imaging import InputSpec
from tfserving_api.messages import DT_UINT8

PREDICT_SIGNATURE = "serving_default"
EXPLAIN_SIGNATURE = "explain"
INPUT = "images"

Selector: TypeAlias = int | str | None
"""How a caller names a version: its number, a label, or not at all."""


@dataclass(frozen=True, slots=True)
class ServedVersion:
    """A version and how to feed it."""

    version: int
    """Its number."""
    spec: InputSpec
    """Size of its input, of both signatures."""
    explains: bool
    """Whether it has the signature that explains."""


def read_signatures(version: int, signatures: Any) -> ServedVersion:
    """Reads a SignatureDefMap.

    Raises:
      UnsupportedSignatureError: "serving_default" has no input "images" uint8 [N, H, W, C] with H and W
        known and C 1 or 3.
    """
    by_name = signatures.signature_def
    if PREDICT_SIGNATURE not in by_name or INPUT not in by_name[PREDICT_SIGNATURE].inputs:
        raise UnsupportedSignatureError(f'Version {version} has no signature "{PREDICT_SIGNATURE}" of "{INPUT}".')
    tensor = by_name[PREDICT_SIGNATURE].inputs[INPUT]
    sizes = [dim.size for dim in tensor.tensor_shape.dim]
    if tensor.dtype != DT_UINT8 or len(sizes) != 4:
        raise UnsupportedSignatureError(f'Version {version} does not take "{INPUT}" as uint8 [N, H, W, C].')
    try:
        spec = InputSpec(*sizes[1:])
    except ValueError as err:
        raise UnsupportedSignatureError(f"Version {version} takes images of no fixed size in grey or RGB.") from err
    return ServedVersion(version, spec, explains=EXPLAIN_SIGNATURE in by_name)
