"""GIF: the first frame."""

from PIL.GifImagePlugin import GifImageFile

from gateway.imaging.formats.decoder import Decoder
from gateway.imaging.pixels import to_uint8


def _recognises(data: bytes) -> bool:
    return data.startswith((b"GIF87a", b"GIF89a"))


def _has_end(data: bytes) -> bool:
    # The zero ends the block before the trailer; a lone semicolon may be pixels. Zeros behind it are padding.
    return data.rstrip(b"\0").endswith(b"\0;")


GIF = Decoder("GIF", _recognises, GifImageFile, to_uint8, _has_end)
