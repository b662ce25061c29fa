"""Synthetic slices, and writers for files that Pillow cannot write."""

import io
import struct
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gateway.imaging import ImageArray

Encode = Callable[..., bytes]


@pytest.fixture(scope="session")
def grey() -> ImageArray:
    """A slice-like picture, uint8 (48, 40): a textured ellipse off the centre on black, without any symmetry."""
    rows, columns = np.mgrid[:48, :40]
    inside = ((rows - 26) / 19) ** 2 + ((columns - 18) / 15) ** 2 < 1
    texture = 110 + 2 * rows - columns + np.random.default_rng(7).normal(0, 12, rows.shape)
    pixels = np.where(inside, texture, 0).clip(0, 255).astype(np.uint8)
    pixels[30:34, 10:15] = 255
    return pixels


@pytest.fixture(scope="session")
def colour(grey: ImageArray) -> ImageArray:
    """The slice in three unlike channels, uint8 (48, 40, 3)."""
    return np.dstack([grey, grey // 2, 255 - grey])


@pytest.fixture(scope="session")
def encode() -> Encode:
    """Encodes an array or a Pillow image in a format of Pillow, with the options of its save."""

    def _encode(picture: Image.Image | ImageArray, image_format: str, **options: Any) -> bytes:
        image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
        file = io.BytesIO()
        image.save(file, image_format, **options)
        return file.getvalue()

    return _encode


@pytest.fixture(scope="session")
def write_tiff() -> Encode:
    """Writes TIFF by the letter of TIFF 6.0: any dtype, either byte order, one strip, raw or deflate."""

    def _write(values: np.ndarray, *, order: str = "<", photometric: int = 1, deflate: bool = False) -> bytes:
        pixels = values.astype(values.dtype.newbyteorder(order)).tobytes()
        pixels = zlib.compress(pixels) if deflate else pixels
        bits, sample_format = 8 * values.itemsize, {"u": 1, "i": 2, "f": 3}[values.dtype.kind]
        height, width = values.shape
        entries = [(256, width), (257, height), (258, bits), (259, 8 if deflate else 1), (262, photometric)]
        pixels_at = 8 + 2 + 12 * 10 + 4
        entries += [(273, pixels_at), (277, 1), (278, height), (279, len(pixels)), (339, sample_format)]
        header = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "IH", 8, len(entries))
        directory = b"".join(struct.pack(order + "HHII", tag, 4, 1, value) for tag, value in entries)
        return header + directory + bytes(4) + pixels

    return _write


@pytest.fixture(scope="session")
def write_png() -> Encode:
    """Writes PNG from packed rows; rows of several passes make it interlaced (PNG 1.2, section 2.6)."""

    def _write(
        size: tuple[int, int], bits: int, colour_type: int, passes: list[list[bytes]], extra: bytes = b""
    ) -> bytes:
        header = struct.pack(">IIBBBBB", *size, bits, colour_type, 0, 0, len(passes) > 1)
        rows = b"".join(b"\0" + row for rows in passes for row in rows)
        chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
        if extra:
            chunks.insert(1, (extra[:4], extra[4:]))
        return b"\x89PNG\r\n\x1a\n" + b"".join(
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
            for kind, data in chunks
        )

    return _write
