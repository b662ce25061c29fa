"""Fitting of decoded slices to a model's input; training and serving share it."""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from gateway.imaging.pixels import ImageArray, picture_of

_MODES = {1: "L", 3: "RGB"}


@dataclass(frozen=True, slots=True)
class InputSpec:
    """Size of one image in a serving signature.

    Attributes:
      height: in pixels.
      width: in pixels.
      channels: 1 is grey, 3 is RGB.
    """

    height: int
    width: int
    channels: int

    def __post_init__(self) -> None:
        if self.height < 1 or self.width < 1 or self.channels not in _MODES:
            raise ValueError(f"height and width must be positive and channels 1 or 3, not {self}")


def preprocess(image: ImageArray, spec: InputSpec) -> ImageArray:
    """Fits one slice to what the model's signature expects: first its channels, then its size.

    The picture fills the whole input; other proportions are stretched, not padded.

    Args:
      image: uint8 (height, width, channels), channels 1 or 3, as decode returns it.
      spec: input size in pixels and channels of the serving signature.

    Returns:
      uint8 (spec.height, spec.width, spec.channels), maybe read-only; the image itself where it fits already.

    Source: luma of ITU-R BT.601 as Pillow's Image.convert("L"), which leaves equal channels as they are;
      bilinear with antialiasing, as Pillow's Image.resize.
    """
    if image.shape == (spec.height, spec.width, spec.channels):
        return image
    picture = picture_of(image).convert(_MODES[spec.channels])
    picture = picture.resize((spec.width, spec.height), Image.Resampling.BILINEAR)
    return np.asarray(picture).reshape(spec.height, spec.width, spec.channels)
