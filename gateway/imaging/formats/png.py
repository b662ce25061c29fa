"""PNG: 1 to 16 bits, grey, colour, palette and alpha, interlaced or not."""

import re
from io import BytesIO

from PIL import Image
from PIL.PngImagePlugin import PngImageFile

from gateway.imaging.formats.decoder import Decoder
from gateway.imaging.orientation import upright_pixels

_END = b"IEND\xaeB`\x82"
"""Name and check sum of the last chunk."""

_STEPS = {"L;2": 255 // 3, "L;4": 255 // 15}
"""Between neighbouring levels of grey, by how they are packed."""


def _open(file: BytesIO) -> Image.Image:
    if not _has_end(file.getvalue()):
        raise EOFError("no IEND")  # Pillow would do without it
    image = PngImageFile(file)
    # Pillow spreads few bits over eight, and leaves the value that is transparent as it is.
    transparent, step = image.info.get("transparency"), _STEPS.get(str(image.tile[0].args))
    if step and isinstance(transparent, int):
        image.info["transparency"] = transparent * step
    return image


def _has_end(data: bytes) -> bool:
    return data.rfind(_END) >= 0


PNG = Decoder("PNG", re.compile(rb"\x89PNG\r\n\x1a\n"), _open, upright_pixels, _has_end)
