"""GetModelMetadata: the signatures of a version."""

from typing import Any

from serving.modelserver.errors import InvalidArgumentError
from serving.modelserver.servable import Servable
from tfserving_api.messages import GetModelMetadataResponse, SignatureDefMap

SIGNATURE_DEF = "signature_def"


def validate_metadata_fields(request: Any) -> None:
    """Checks what a GetModelMetadataRequest asks for, before the model is looked up.

    Raises:
      InvalidArgumentError: nothing, or something other than the signatures.
    """
    if not request.metadata_field:
        raise InvalidArgumentError("GetModelMetadataRequest must specify at least one metadata_field")
    for field in request.metadata_field:
        if field != SIGNATURE_DEF:
            raise InvalidArgumentError(f"Metadata field {field} is not supported")


def model_metadata(servable: Servable, name: str) -> Any:
    """A GetModelMetadataResponse with every signature of the version."""
    signatures = SignatureDefMap()
    for key, signature in servable.signatures.items():
        signatures.signature_def[key].CopyFrom(signature)
    response = GetModelMetadataResponse()
    response.model_spec.name = name
    response.model_spec.version.value = servable.version
    response.metadata[SIGNATURE_DEF].Pack(signatures)
    return response
