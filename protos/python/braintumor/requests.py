"""Requests of the classifier, from what callers have at hand."""

import errno
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import grpc

from braintumor.errors import ServiceError
from braintumor.v1.classifier_service_pb2 import PredictRequest, PredictStreamRequest

Image: TypeAlias = bytes | bytearray | memoryview | str | os.PathLike[str]
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

    def about_named(self, image_id: str, encoded: bytes) -> PredictStreamRequest:
        """Makes the request for one encoded image of a stream; raises TypeError where the id is none."""
        if not isinstance(image_id, str):
            raise TypeError(f"the id of an image is a str, and not {image_id!r}")
        return PredictStreamRequest(id=image_id, request=self.about(encoded))


def read_image(image: Image, max_bytes: int = 0) -> bytes:
    """Returns the encoded image, from its file where a path is given.

    Args:
      image: bytes or path.
      max_bytes: limit of the service, 0 for none. An image beyond it is refused here as it would be there: a much
        larger one would end the stream that it is in.

    Raises:
      OSError: the file cannot be read.
      ServiceError: it is too large.
      TypeError: it is neither bytes nor a path.
    """
    try:
        held = bytes(image) if isinstance(image, bytes | bytearray | memoryview) else Path(image)
        size = len(held) if isinstance(held, bytes) else held.stat().st_size
    except TypeError as err:
        raise TypeError(f"an image is the bytes of its file, or its path, and not {type(image).__name__}") from err
    except ValueError as err:  # a path that none can be
        raise OSError(errno.EINVAL, str(err), str(image)) from err
    if 0 < max_bytes < size:
        raise ServiceError(
            grpc.StatusCode.INVALID_ARGUMENT,
            f"The image has {size} bytes, the limit is {max_bytes}; send a smaller file.",
            "IMAGE_TOO_LARGE",
        )
    return held if isinstance(held, bytes) else held.read_bytes()
