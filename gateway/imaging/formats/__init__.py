"""The image formats that are read: one file each, listed in DECODERS."""

from gateway.imaging.formats.bmp import BMP
from gateway.imaging.formats.decoder import Decoder
from gateway.imaging.formats.gif import GIF
from gateway.imaging.formats.jpeg import JPEG
from gateway.imaging.formats.png import PNG
from gateway.imaging.formats.tiff import TIFF
from gateway.imaging.formats.webp import WEBP

__all__ = ["DECODERS", "IMAGE_FORMATS", "Decoder"]

DECODERS: tuple[Decoder, ...] = (JPEG, PNG, BMP, TIFF, GIF, WEBP)
"""A new format is a file beside this one and a place in this list."""

IMAGE_FORMATS: tuple[str, ...] = tuple(decoder.name for decoder in DECODERS)
"""Names of the formats, such as "JPEG"."""
