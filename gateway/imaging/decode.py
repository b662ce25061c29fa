"""Decoding of image files into arrays, within limits."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from PIL import Image

from gateway.imaging.bands import bands
from gateway.imaging.errors import (
    ConstantImageError,
    CorruptImageError,
    EmptyFileError,
    ImageTooLargeError,
    InvalidImageError,
    TooManyPixelsError,
    TruncatedImageError,
    UnsupportedFormatError,
)
from gateway.imaging.formats import DECODERS, IMAGE_FORMATS, Decoder
from gateway.imaging.metered_file import MeteredFile
from gateway.imaging.pixels import ImageArray

# Pillow warns and logs of odd metadata, which no caller sees and any caller could fill a log with. Filters are
# the process's, so this is set once, here: warnings.catch_warnings is not safe among threads.
warnings.filterwarnings("ignore", module=r"PIL\.")
logging.getLogger("PIL").setLevel(logging.CRITICAL)


@dataclass(frozen=True, slots=True)
class ImageLimits:
    """Bounds on one image.

    Attributes:
      max_image_bytes: size of the file, in bytes.
      max_image_pixels: height times width, in pixels.
    """

    max_image_bytes: int = 16 * 1024 * 1024
    max_image_pixels: int = 40_000_000


DEFAULT_LIMITS = ImageLimits()

_MAX_SIDE = 65_535
"""In pixels, as JPEG and GIF have it. What goes by the side costs more than what goes by the pixels: to draw the
explanation of 39 million by 1 took 1.3 GB and 3 s beside the rest."""

_USED = 2**7
"""The brightest pixel of 16-bit colour has at least this in its upper eight bits, if all bits are in use."""


class OpenedImage:
    """An image file whose header has been read, and no pixel yet."""

    def __init__(self, data: bytes, limits: ImageLimits) -> None:
        """Reads the header.

        Args:
          data: an encoded file of a format in DECODERS, recognised by its leading bytes.
          limits: bounds on it.

        Raises:
          InvalidImageError: as of decode.
        """
        self._data = data
        self._limits = limits
        check_size(data, limits)
        self._decoder = _decoder_of(data)
        with self._decoding():
            self._image = self._decoder.open(MeteredFile(data, self._decoder.max_reads))
        if self.pixels > limits.max_image_pixels:
            raise _too_many_pixels(limits, f"{self._image.width} x {self._image.height} = {self.pixels}")
        if max(self._image.size) > _MAX_SIDE:
            raise TooManyPixelsError(
                f"The image has {self._image.width} x {self._image.height} pixels, the limit of a side is {_MAX_SIDE}; "
                "send a picture of another shape."
            )

    @property
    def pixels(self) -> int:
        """Height times width, by the header."""
        return self._image.width * self._image.height

    def decode(self) -> ImageArray:
        """Reads the pixels. Once only. Returns and raises as decode does."""
        is_deep = _has_deep_colour(self._image)
        with self._decoding():
            pixels = self._decoder.pixels(self._image)
            self._image.close()  # whoever goes on with the pixels need not hold them twice
        if is_deep and pixels.max() < _USED:
            raise CorruptImageError(
                "The image has colour of 16 bits, and its values leave the upper ones unused, so that all is dark; "
                "save it as grey, or with 8 bits."
            )
        if _is_constant(pixels):
            raise ConstantImageError("All pixels of the image are equal, so it holds no slice; send a picture of one.")
        return pixels

    @contextmanager
    def _decoding(self) -> Iterator[None]:
        try:
            yield
        except InvalidImageError:
            raise
        except Image.DecompressionBombError as err:
            # Pillow's own bound. It is wider than the default limits, so it only meets sizes that a header hides.
            raise _too_many_pixels(self._limits) from err
        except Exception as err:  # hostile bytes make Pillow raise nearly anything
            raise _undecodable(self._decoder, self._data) from err


def decode(data: bytes, limits: ImageLimits = DEFAULT_LIMITS) -> ImageArray:
    """Decodes one image file as a viewer shows it: upright, first frame, over black where it is transparent.

    Safe to call from several threads.

    Args:
      data: an encoded file of a format in DECODERS, recognised by its leading bytes.
      limits: bounds, tested before any pixel is decoded.

    Returns:
      uint8 (height, width, channels), maybe read-only. Grey images have one channel, others three (RGB).
      Deeper pixels are scaled to [0, 255], see gateway.imaging.pixels; of 16-bit colour the upper eight bits are kept.

    Raises:
      InvalidImageError: one of its subclasses, and nothing else, whatever the bytes.
    """
    return OpenedImage(data, limits).decode()


def _has_deep_colour(image: Image.Image) -> bool:
    """Whether Pillow, which keeps 16 bits of grey alone, will take the upper half of each value."""
    return not image.mode.startswith("I") and ";16" in str(getattr(image, "tile", ()))


def check_size(data: bytes, limits: ImageLimits) -> None:
    """Raises EmptyFileError or ImageTooLargeError where the file has no size to be read; takes no time."""
    if not data:
        raise EmptyFileError("The image has no bytes; send an encoded file.")
    if len(data) > limits.max_image_bytes:
        raise ImageTooLargeError(
            f"The image has {len(data)} bytes, the limit is {limits.max_image_bytes}; send a smaller file."
        )


def _decoder_of(data: bytes) -> Decoder:
    for decoder in DECODERS:
        if decoder.leading.match(data):
            return decoder
    raise UnsupportedFormatError(f"The bytes are no image of a known format; send {', '.join(IMAGE_FORMATS)}.")


def _too_many_pixels(limits: ImageLimits, found: str = "too many") -> TooManyPixelsError:
    return TooManyPixelsError(
        f"The image has {found} pixels, the limit is {limits.max_image_pixels}; send a smaller picture."
    )


def _undecodable(decoder: Decoder, data: bytes) -> InvalidImageError:
    if not decoder.has_end(data):
        return TruncatedImageError(
            f"The {decoder.name} image ends early, its {len(data)} bytes are not all of it; send the whole file."
        )
    return CorruptImageError(
        f"The {decoder.name} image is damaged or of a kind that cannot be read; save it anew, say as 8-bit PNG."
    )


def _is_constant(pixels: ImageArray) -> bool:
    # By its first row: a row of bytes compares faster than pixels do.
    first = pixels[0].reshape(-1)
    if not np.array_equal(first[pixels.shape[2] :], first[: -pixels.shape[2]]):
        return False
    return all(bool((pixels[rows].reshape(-1, first.size) == first).all()) for rows in bands(*pixels.shape[:2]))
