"""JPEG: baseline and progressive, grey, colour and CMYK, turned upright by EXIF."""

import re
from io import BytesIO

from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from gateway.imaging.errors import TooManyPartsError
from gateway.imaging.formats.decoder import Decoder
from gateway.imaging.metered_file import MAX_READS
from gateway.imaging.orientation import upright_pixels

_START_OF_SCAN, _END_OF_IMAGE = b"\xff\xda", b"\xff\xd9"
_MARKER = re.compile(rb"\xff([^\x00\x01\xd0-\xd8\xff])")
"""One that a segment follows, or the end: within a scan 0 or a restart is behind 0xFF (ITU-T T.81, section B.1.1)."""
_MAX_SCANS = 32
"""Progressive files have about ten. A scan may be a dozen bytes, and yet all pixels are gone through for it."""


def _open(file: BytesIO) -> Image.Image:
    if _scans(file.getvalue()) > _MAX_SCANS:
        raise TooManyPartsError(f"The JPEG image has over {_MAX_SCANS} scans; save it anew, say as 8-bit PNG.")
    return JpegImageFile(file)


def _scans(data: bytes) -> int:
    """Counts the scans of the picture, not those of a thumbnail, nor of what phones put behind the end."""
    scans = at = 0
    for _ in range(MAX_READS):
        marker = _MARKER.search(data, at)
        if marker is None or marker[0] == _END_OF_IMAGE:
            return scans
        scans += marker[0] == _START_OF_SCAN
        at = marker.end() + int.from_bytes(data[marker.end() : marker.end() + 2], "big")
    raise TooManyPartsError("The JPEG image is cut into too many segments; save it anew, say as 8-bit PNG.")


def _has_end(data: bytes) -> bool:
    # A thumbnail within EXIF has an end of its own, before the scan of the picture.
    return data.rfind(_END_OF_IMAGE) > data.rfind(_START_OF_SCAN)


JPEG = Decoder("JPEG", re.compile(rb"\xff\xd8\xff"), _open, upright_pixels, _has_end)
