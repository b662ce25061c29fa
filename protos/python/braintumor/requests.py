"""Requests of the classifier, from what callers have at hand."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from braintumor.v1.classifier_service_pb2 import PredictRequest

Image: TypeAlias = bytes | str | os.PathLike[str]
"""An encoded image file: its bytes, or its path."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked about an image, and of which model.

    Args:
      version: number of the version to ask.
      version_label: label of the version to ask; with neither, the service asks the one labelled "stable".
      explain: whether to explain the verdict with a heatmap.

    Raises:
      ValueError: both a version and a label were given.
    """

    version: int | None = None
    version_label: str | None = None
    explain: bool = False

    def __post_init__(self) -> None:
        if self.version is not None and self.version_label is not None:
            raise ValueError(
                f"a model is asked for by version ({self.version}) or by label ({self.version_label}), not both"
            )

    def about(self, encoded: bytes) -> PredictRequest:
        """Makes the request for one encoded image."""
        request = PredictRequest(image=encoded, explain=self.explain)
        if self.version is not None:
            request.version = self.version
        if self.version_label is not None:
            request.version_label = self.version_label
        return request


def read_image(image: Image) -> bytes:
    """Returns the encoded image, from its file where a path is given.

    Raises:
      OSError: the file cannot be read.
    """
    return image if isinstance(image, bytes) else Path(image).read_bytes()
