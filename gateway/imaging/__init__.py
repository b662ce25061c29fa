"""From the bytes of an image file to the pixels that a model version expects."""

from gateway.imaging.colour import is_in_colour
from gateway.imaging.decode import ImageLimits, OpenedImage, check_size, decode
from gateway.imaging.errors import (
    ConstantImageError,
    CorruptImageError,
    EmptyFileError,
    ImageTooLargeError,
    InvalidImageError,
    TooManyPartsError,
    TooManyPixelsError,
    TruncatedImageError,
    UnsupportedFormatError,
)
from gateway.imaging.formats import DECODERS, IMAGE_FORMATS
from gateway.imaging.heatmap import draw_heatmap, draw_overlay
from gateway.imaging.pixels import ImageArray, picture_of
from gateway.imaging.preprocess import InputSpec, preprocess

__all__ = [
    "DECODERS",
    "IMAGE_FORMATS",
    "ConstantImageError",
    "CorruptImageError",
    "EmptyFileError",
    "ImageArray",
    "ImageLimits",
    "ImageTooLargeError",
    "InputSpec",
    "InvalidImageError",
    "OpenedImage",
    "TooManyPartsError",
    "TooManyPixelsError",
    "TruncatedImageError",
    "UnsupportedFormatError",
    "check_size",
    "decode",
    "draw_heatmap",
    "draw_overlay",
    "is_in_colour",
    "picture_of",
    "preprocess",
]
