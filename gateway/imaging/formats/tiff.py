"""TIFF: the first page, 1 to 32 bits, integer and float, any compression that libtiff knows."""

import contextlib
import ctypes
import re
import struct
from io import BytesIO
from typing import cast

import numpy as np
import numpy.typing as npt
from PIL import Image, ImagePalette, TiffImagePlugin, _imaging
from PIL.TiffImagePlugin import TiffImageFile

from gateway.imaging.bands import array_of
from gateway.imaging.formats.decoder import Decoder
from gateway.imaging.formats.tiff_directory import data_end, require_values_of_their_own
from gateway.imaging.pixels import ImageArray, scale_by_range, to_uint8

_PHOTOMETRIC, _COLOUR_MAP, _SAMPLE_FORMAT = 262, 320, 339
_TILE_WIDTH, _TILE_LENGTH = 322, 323
_MAX_TILE_MARGIN = 2**20
"""Pixels by which a tile may be larger than the picture: all of it is memory, and 200 bytes may ask for 2 GiB."""
_WHITE_IS_ZERO = 0
_UNSIGNED, _SIGNED = (1,), (2,)

# Whatever the compression: Pillow's own reader of raw pixels mistakes planes of 16 bits for such of 8.
TiffImagePlugin.READ_LIBTIFF = True

# What Pillow's table of kinds leaves out: prefix, photometric, sample format, fill order, bits, extra samples.
TiffImagePlugin.OPEN_INFO |= {
    (b"MM", 1, (1,), 1, (32,), ()): ("I", "I;32BS"),
    (b"MM", 0, (1,), 1, (16,), ()): ("I;16B", "I;16B"),
    (b"II", 0, (2,), 1, (16,), ()): ("I", "I;16S"),
    (b"MM", 0, (2,), 1, (16,), ()): ("I", "I;16BS"),
    (b"II", 0, (1,), 1, (32,), ()): ("I", "I;32S"),
    (b"MM", 0, (1,), 1, (32,), ()): ("I", "I;32BS"),
    (b"II", 0, (2,), 1, (32,), ()): ("I", "I;32S"),
    (b"MM", 0, (2,), 1, (32,), ()): ("I", "I;32BS"),
}

# libtiff hands out decompressed pixels in the machine's byte order; Pillow 13 unpacks these as in the file's.
_NATIVE_RAW_MODES = {"I;16BS": "I;16NS", "I;32BS": "I;32NS", "F;32BF": "F;32NF"}

# Pillow's modes know no sign: 32-bit pixels are read as signed and 8-bit ones as unsigned.
_TRUE_TYPES: dict[tuple[str, tuple[int, ...]], npt.DTypeLike] = {
    ("I", _UNSIGNED): np.uint32,
    ("L", _SIGNED): np.int8,
}


def _silence_libtiff() -> None:
    # It tells of each flaw on stderr, in plain text between our lines of JSON, and any caller could fill a log with
    # that; Pillow raises in any case, and has no switch for it. Handlers are the process's, so this is done once.
    # Pillow's own module finds the functions in whichever libtiff it was linked to.
    library = ctypes.CDLL(_imaging.__file__)
    for setter in ("TIFFSetErrorHandler", "TIFFSetWarningHandler"):
        with contextlib.suppress(AttributeError):  # where libtiff is built in, they are not to be seen
            getattr(library, setter)(None)


_silence_libtiff()


def _open(file: BytesIO) -> Image.Image:
    image = TiffImageFile(file)
    require_values_of_their_own(file.getvalue())
    tile_pixels = image.tag_v2.get(_TILE_WIDTH, 0) * image.tag_v2.get(_TILE_LENGTH, 0)
    if tile_pixels > image.width * image.height + _MAX_TILE_MARGIN:
        raise ValueError("tiles are larger than the picture")
    image.tile = [tile._replace(args=_native(*tile.args or ())) for tile in image.tile]
    colours = image.tag_v2.get(_COLOUR_MAP, ())
    if image.mode == "P" and max(colours) < 2**8:  # some write eight bits where sixteen are due, and viewers know it
        image.palette = ImagePalette.raw("RGB;L", bytes(colours))
    return image


def _native(raw_mode: str, *others: object) -> tuple[object, ...]:
    return _NATIVE_RAW_MODES.get(raw_mode, raw_mode), *others


def _pixels(image: Image.Image) -> ImageArray:
    """Decodes the page; Pillow turns it upright itself."""
    image.load()
    tags = cast(TiffImageFile, image).tag_v2
    true_type = _TRUE_TYPES.get((image.mode, tags.get(_SAMPLE_FORMAT, _UNSIGNED)))
    pixels = to_uint8(image) if true_type is None else scale_by_range(array_of(image).view(true_type))
    # Up to 8 bits Pillow inverts these itself.
    if tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO and image.mode in {"I;16", "I;16B", "I", "F"}:
        return 255 - pixels
    return pixels


def _has_end(data: bytes) -> bool:
    try:
        return data_end(data) <= len(data)
    except (struct.error, OverflowError):
        return False


TIFF = Decoder("TIFF", re.compile(rb"II[*+]\0|MM\0[*+]"), _open, _pixels, _has_end)
