"""WebP: lossy and lossless, of an animation the first frame."""

from PIL.WebPImagePlugin import WebPImageFile

from gateway.imaging.formats.decoder import Decoder
from gateway.imaging.orientation import upright_pixels

_RIFF_HEADER_BYTES = 8


def _recognises(data: bytes) -> bool:
    return data[:4] == b"RIFF" and data[8:12] == b"WEBP"


def _has_end(data: bytes) -> bool:
    return len(data) >= _RIFF_HEADER_BYTES + int.from_bytes(data[4:8], "little")


WEBP = Decoder("WebP", _recognises, WebPImageFile, upright_pixels, _has_end)
