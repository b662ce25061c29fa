"""GIF: the first frame."""

import re

from PIL.GifImagePlugin import GifImageFile

from gateway.imaging.formats.decoder import Decoder
from gateway.imaging.pixels import to_uint8


def _has_end(data: bytes) -> bool:
    # The zero ends the block before the trailer; a lone semicolon may be pixels. Zeros behind it are padding.
    return data.rstrip(b"\0").endswith(b"\0;")


GIF = Decoder("GIF", re.compile(rb"GIF8[79]a"), GifImageFile, to_uint8, _has_end)
