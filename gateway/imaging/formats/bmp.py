"""BMP: bitmaps of Windows and OS/2, also run-length encoded."""

import re
from io import BytesIO

from PIL import Image
from PIL.BmpImagePlugin import BmpImageFile

from gateway.imaging.errors import TooManyPartsError
from gateway.imaging.formats.decoder import Decoder
from gateway.imaging.pixels import ImageArray, to_uint8

_FILE_SIZE = slice(2, 6)
_MAX_READS = 600_000
"""Pillow reads two bytes for each run of an encoded bitmap: this is one of 512 by 512 without two like pixels in a row,
and takes half a second."""


_MAX_ENCODED_PIXELS = 2_000_000
"""Of an encoded bitmap: Pillow fills lines that end early, and runs of two colours, pixel by pixel in Python, half a
second for so many, while no other thread gets far. 1 KiB may stand for 40 million."""


def _open(file: BytesIO) -> Image.Image:
    image = BmpImageFile(file)
    if image.tile[0].codec_name == "bmp_rle" and image.width * image.height > _MAX_ENCODED_PIXELS:
        raise TooManyPartsError(
            f"A run-length encoded bitmap may have {_MAX_ENCODED_PIXELS} pixels; save it anew, say as 8-bit PNG."
        )
    return image


def _has_end(data: bytes) -> bool:
    return len(data) >= max(int.from_bytes(data[_FILE_SIZE], "little"), _FILE_SIZE.stop)


def _pixels(image: Image.Image) -> ImageArray:
    image.load()
    if image.mode == "RGBA" and image.getchannel("A").getbbox() is None:
        # Programs that know of no alpha leave its bytes 0, and viewers show what would be transparent everywhere.
        image = image.convert("RGB")
    return to_uint8(image)


BMP = Decoder("BMP", re.compile(rb"BM"), _open, _pixels, _has_end, _MAX_READS)
