"""JPEG: baseline and progressive, grey, colour and CMYK, turned upright by EXIF."""

from PIL.JpegImagePlugin import JpegImageFile

from gateway.imaging.formats.decoder import Decoder
from gateway.imaging.orientation import upright_pixels

_START_OF_SCAN, _END_OF_IMAGE = b"\xff\xda", b"\xff\xd9"


def _recognises(data: bytes) -> bool:
    return data.startswith(b"\xff\xd8\xff")


def _has_end(data: bytes) -> bool:
    # A thumbnail within EXIF has an end of its own, before the scan of the picture.
    return data.rfind(_END_OF_IMAGE) > data.rfind(_START_OF_SCAN)


JPEG = Decoder("JPEG", _recognises, JpegImageFile, upright_pixels, _has_end)
