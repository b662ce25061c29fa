"""WebP: lossy and lossless, of an animation the first frame."""

import re

from PIL.WebPImagePlugin import WebPImageFile

from gateway.imaging.formats.decoder import Decoder
from gateway.imaging.orientation import upright_pixels

_RIFF_HEADER_BYTES = 8


def _has_end(data: bytes) -> bool:
    return len(data) >= _RIFF_HEADER_BYTES + int.from_bytes(data[4:8], "little")


WEBP = Decoder("WebP", re.compile(rb"RIFF.{4}WEBP", re.DOTALL), WebPImageFile, upright_pixels, _has_end)
