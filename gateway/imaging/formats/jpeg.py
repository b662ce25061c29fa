"""JPEG: baseline and progressive, grey, colour and CMYK, turned upright by EXIF."""

from io import BytesIO

from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from gateway.imaging.errors import TooManyPartsError
from gateway.imaging.formats.decoder import Decoder
from gateway.imaging.orientation import upright_pixels

_START_OF_SCAN, _END_OF_IMAGE = b"\xff\xda", b"\xff\xd9"
_MAX_SCANS = 32
"""Progressive files have about ten. A scan may be a dozen bytes, and yet all pixels are gone through for it."""


def _recognises(data: bytes) -> bool:
    return data.startswith(b"\xff\xd8\xff")


def _open(file: BytesIO) -> Image.Image:
    # Within a scan the marker cannot occur, so this counts the scans, and those of a thumbnail.
    if file.getvalue().count(_START_OF_SCAN) > _MAX_SCANS:
        raise TooManyPartsError(f"The JPEG image has over {_MAX_SCANS} scans; save it anew, say as 8-bit PNG.")
    return JpegImageFile(file)


def _has_end(data: bytes) -> bool:
    # A thumbnail within EXIF has an end of its own, before the scan of the picture.
    return data.rfind(_END_OF_IMAGE) > data.rfind(_START_OF_SCAN)


JPEG = Decoder("JPEG", _recognises, _open, upright_pixels, _has_end)
