"""TFRecord files: sequences of checked byte strings.

Source: the format's description in TensorFlow's guide "TFRecord and tf.train.Example": per record its length
as uint64, the masked CRC-32C of that, the bytes, and their masked CRC-32C; all little-endian.
"""

import struct
from collections.abc import Iterable, Iterator
from io import BufferedReader
from math import isqrt
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_LENGTH = struct.Struct("<Q")
_CRC = struct.Struct("<I")

_POLYNOMIAL = 0x82F63B78
"""Of CRC-32C, lowest bit first."""
_ALL_ONES = 0xFFFFFFFF
_WORTH_SPLITTING_BYTES = 1024


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
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def crc32c(data: bytes) -> int:
    """Returns the CRC-32C (Castagnoli).

    Source: RFC 3720, appendix B.4.
    """
    if len(data) < _WORTH_SPLITTING_BYTES:
        remainder = _ALL_ONES
        for byte in data:
            remainder = _STEPS[(remainder ^ byte) & 0xFF] ^ remainder >> 8
        return remainder ^ _ALL_ONES
    return _in_lanes(data) ^ _ALL_ONES


def _in_lanes(data: bytes) -> int:
    """Reduces parts of the data side by side, then joins their remainders: megabytes take milliseconds.

    A CRC is linear, so what came before a part is carried over it by one matrix, the same for parts of one
    length. Zeros in front change nothing once the initial remainder has gone into the first four bytes.
    """
    lanes = 1 << isqrt(len(data)).bit_length() - 1
    padding = -len(data) % lanes
    padded = np.pad(np.frombuffer(data, np.uint8), (padding, 0))
    padded[padding : padding + 4] ^= 0xFF
    # Beside the lanes, the 32 units go over as many zeros: where each ends up is a column of the matrix.
    steps = np.pad(padded.reshape(lanes, -1).T, ((0, 0), (0, 32)))
    remainders = np.concatenate([np.zeros(lanes, np.uint32), _UNITS])
    for column in steps:
        remainders = _STEP_TABLE[(remainders ^ column) & 0xFF] ^ remainders >> 8
    remainders, matrix = remainders[:lanes], remainders[lanes:]
    while len(remainders) > 1:
        remainders = _product(matrix, remainders[::2]) ^ remainders[1::2]
        matrix = _product(matrix, matrix)
    return int(remainders[0])


def _product(matrix: NDArray[np.uint32], remainders: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Applies a matrix over GF(2), given as the images of _UNITS, to each remainder."""
    carried = np.where(remainders[:, None] & _UNITS, matrix, np.uint32(0))
    return np.asarray(np.bitwise_xor.reduce(carried, axis=1))


def _step(byte: int) -> int:
    """Returns the remainder that eight steps of division make of one byte."""
    for _ in range(8):
        byte = byte >> 1 ^ (_POLYNOMIAL if byte & 1 else 0)
    return byte


_STEPS = tuple(_step(byte) for byte in range(256))
_STEP_TABLE = np.array(_STEPS, np.uint32)
_UNITS = np.uint32(1) << np.arange(32, dtype=np.uint32)
