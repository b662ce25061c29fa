"""Reading of TFRecord files.

Source: the format's description in TensorFlow's guide "TFRecord and tf.train.Example": per record its length
as uint64, the masked CRC-32C of that, the bytes, and their masked CRC-32C; all little-endian.
"""

import struct
from collections.abc import Iterator
from pathlib import Path

from serving.modelserver.crc32c import crc32c
from serving.modelserver.errors import DataLossError

_LENGTH = struct.Struct("<QI")
_CRC = struct.Struct("<I")


def read_records(path: Path) -> Iterator[bytes]:
    """The records of a file, in order.

    Raises:
      DataLossError: the file is cut off, or is no TFRecord, or a checksum is wrong.
    """
    with path.open("rb") as file:
        while header := file.read(_LENGTH.size):
            if len(header) < _LENGTH.size:
                raise DataLossError(f"truncated record at {path}")
            length, length_crc = _LENGTH.unpack(header)
            if masked_crc32c(header[:8]) != length_crc:
                raise DataLossError(f"corrupted record at {path}")
            body = file.read(length + _CRC.size)
            if len(body) < length + _CRC.size:
                raise DataLossError(f"truncated record at {path}")
            if masked_crc32c(body[:length]) != _CRC.unpack(body[length:])[0]:
                raise DataLossError(f"corrupted record at {path}")
            yield body[:length]


def masked_crc32c(data: bytes) -> int:
    """CRC-32C, rotated and offset, as TFRecord stores it."""
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
