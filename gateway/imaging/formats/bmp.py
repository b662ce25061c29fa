"""BMP: bitmaps of Windows and OS/2, also run-length encoded."""

from PIL.BmpImagePlugin import BmpImageFile

from gateway.imaging.formats.decoder import Decoder
from gateway.imaging.pixels import to_uint8

_FILE_SIZE = slice(2, 6)


def _recognises(data: bytes) -> bool:
    return data.startswith(b"BM")


def _has_end(data: bytes) -> bool:
    return len(data) >= max(int.from_bytes(data[_FILE_SIZE], "little"), _FILE_SIZE.stop)


BMP = Decoder("BMP", _recognises, BmpImageFile, to_uint8, _has_end)
