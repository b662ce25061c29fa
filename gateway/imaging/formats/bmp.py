"""BMP: bitmaps of Windows and OS/2, also run-length encoded."""

import re

from PIL import Image
from PIL.BmpImagePlugin import BmpImageFile

from gateway.imaging.formats.decoder import Decoder
from gateway.imaging.pixels import ImageArray, to_uint8

_FILE_SIZE = slice(2, 6)
_MAX_READS = 600_000
"""Pillow reads two bytes for each run of an encoded bitmap: this is one of 512 by 512 without two like pixels in a row,
and takes half a second."""


def _has_end(data: bytes) -> bool:
    return len(data) >= max(int.from_bytes(data[_FILE_SIZE], "little"), _FILE_SIZE.stop)


def _pixels(image: Image.Image) -> ImageArray:
    image.load()
    if image.mode == "RGBA" and image.getchannel("A").getbbox() is None:
        # Programs that know of no alpha leave its bytes 0, and viewers show what would be transparent everywhere.
        image = image.convert("RGB")
    return to_uint8(image)


BMP = Decoder("BMP", re.compile(rb"BM"), BmpImageFile, _pixels, _has_end, _MAX_READS)
