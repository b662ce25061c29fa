"""PNG: 1 to 16 bits, grey, colour, palette and alpha, interlaced or not."""

from PIL.PngImagePlugin import PngImageFile

from gateway.imaging.formats.decoder import Decoder
from gateway.imaging.orientation import upright_pixels


def _recognises(data: bytes) -> bool:
    return data.startswith(b"\x89PNG\r\n\x1a\n")


def _has_end(data: bytes) -> bool:
    return b"IEND" in data


PNG = Decoder("PNG", _recognises, PngImageFile, upright_pixels, _has_end)
