"""TFRecord files: sequences of checked byte strings.

Source: the format's description in TensorFlow's guide "TFRecord and tf.train.Example": per record its length
as uint64, the masked CRC-32C of that, the bytes, and their masked CRC-32C; all little-endian.
"""

import struct
from collections.abc import Iterable, Iterator
from io import BufferedReader
from pathlib import Path

import google_crc32c

_LENGTH = struct.Struct("<Q")
_CRC = struct.Struct("<I")


class TFRecordError(ValueError):
    """A file is cut off, is no TFRecord, or a checksum is wrong."""


def read_records(path: Path) -> Iterator[bytes]:
    """Yields the records of a file, in order.

    Raises:
      TFRecordError: the file is damaged, or is no TFRecord.
      OSError: it cannot be read.
    """
    with path.open("rb") as file:
        while file.peek(1):
            (length,) = _LENGTH.unpack(_read(file, _LENGTH.size, path))
            yield _read(file, length, path)


def write_records(path: Path, records: Iterable[bytes]) -> None:
    """Writes a file of records."""
    with path.open("wb") as file:
        for record in records:
            for part in (_LENGTH.pack(len(record)), record):
                file.write(part + _CRC.pack(masked_crc32c(part)))


def _read(file: BufferedReader, size: int, path: Path) -> bytes:
    """Reads bytes and their checksum."""
    if size > path.stat().st_size:  # a length with a checksum that fits by chance must not allocate exabytes
        raise TFRecordError(f"truncated record at {path}")
    content, checksum = file.read(size), file.read(_CRC.size)
    if len(checksum) < _CRC.size:
        raise TFRecordError(f"truncated record at {path}")
    if masked_crc32c(content) != _CRC.unpack(checksum)[0]:
        raise TFRecordError(f"corrupted record at {path}")
    return content


def masked_crc32c(data: bytes) -> int:
    """Returns the CRC-32C (Castagnoli), rotated and offset, as TFRecord stores it."""
    crc: int = google_crc32c.value(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
