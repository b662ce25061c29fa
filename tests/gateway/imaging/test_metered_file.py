"""Files of very many parts, which would keep a decoder busy for seconds, are refused soon."""

import struct
import time
import zlib

import pytest

from gateway.imaging import TooManyPartsError, decode

_PARTS = 300_000
_PATIENCE_S = 1.0
"""Of processor time; refused at once they take a hundredth of it, and gone through to the end more."""


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


@pytest.fixture(
    params=[
        "BMP lines",
        "JPEG scans",
        "JPEG segments",
        "JPEG comments",
        "JPEG padding",
        "PNG texts",
        "PNG pixels",
        "TIFF tags",
    ]
)
def bomb(request, grey, encode) -> bytes:
    jpeg, png = encode(grey, "JPEG", progressive=True), encode(grey, "PNG")
    last_scan = jpeg[jpeg.rindex(b"\xff\xda") : -2]
    tags = [(tag, 4, 1, 40) for tag in (256, 257)]
    tags += [(30_000 + number % 30_000, 2, 8, 8) for number in range(65_000)]
    directory = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    bitmap = struct.pack("<IHHIIiiHHIIiiII", 58, 0, 0, 58, 40, 39_000_000, 1, 1, 8, 1, 0, 0, 0, 1, 0)
    return {
        "BMP lines": b"BM" + bitmap + bytes(4) + b"\1\0\0\0\0\1",
        "JPEG scans": jpeg[:-2] + last_scan * 100 + jpeg[-2:],
        "JPEG segments": jpeg[:2] + b"\xff\xe1\0\2" * _PARTS + jpeg[2:],
        "JPEG comments": jpeg[:2] + b"\xff\xfe\0\2" * _PARTS + jpeg[2:],
        "JPEG padding": jpeg[:2] + b"\xff" * _PARTS + jpeg[2:],
        "PNG texts": png[:33] + _chunk(b"tEXt", b"k\0v") * _PARTS + png[33:],
        "PNG pixels": png[:33] + _chunk(b"IDAT", b"") * _PARTS + png[33:],
        "TIFF tags": b"II*\0" + struct.pack("<IH", 8, len(tags)) + directory + bytes(4),
    }[request.param]


def test_it_is_refused_soon(bomb):
    begin_s = time.thread_time()
    with pytest.raises(TooManyPartsError, match="save it anew"):
        decode(bomb)
    assert time.thread_time() - begin_s < _PATIENCE_S
