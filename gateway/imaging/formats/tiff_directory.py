"""What the directory of a TIFF file's first page points at (TIFF 6.0, section 2)."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from gateway.imaging.metered_file import MAX_READS

_VALUE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_UNSIGNED_TYPES = {3: "H", 4: "I", 16: "Q"}
_OFFSETS_OF_BYTE_COUNTS = {279: 273, 325: 324}  # strips, tiles


def data_end(data: bytes) -> int:
    """Tells where the last byte lies that the directory points at.

    Args:
      data: a file that begins as TIFF or BigTIFF does.

    Returns:
      Offset behind that byte, in bytes: beyond len(data) where the file was cut. len(data) where it has too many
      entries to be read at all.

    Raises:
      struct.error, OverflowError: the directory itself is not all there.
    """
    directory = _directory_of(data)
    if directory.length > MAX_READS:
        return len(data)
    end = 0
    pieces: dict[int, tuple[int, ...]] = {}
    for entry in directory.walk(data):
        end = max(end, entry.place + entry.value_bytes)
        if _locates_pixels(entry.tag, entry.kind) and entry.tag not in pieces and end <= len(data):
            values = f"{directory.order}{entry.values}{_UNSIGNED_TYPES[entry.kind]}"
            pieces[entry.tag] = struct.unpack_from(values, data, entry.place)
    return max([end, directory.end, *_piece_ends(pieces)])


def require_values_of_their_own(data: bytes) -> None:
    """Raises ValueError where entries share what they point at, so that together it is longer than the file.

    libtiff has a copy of each: a file of 16 MiB that has 4,000 entries for all of itself would take 60 GiB.

    Args:
      data: a file that begins as TIFF or BigTIFF does.

    Raises:
      ValueError, struct.error, OverflowError: they do; the directory itself is not all there.
    """
    if sum(entry.value_bytes for entry in _directory_of(data).walk(data)) > len(data):
        raise ValueError("entries share their values")


class _Entry(NamedTuple):
    """A tag, how many values of which kind it has, and where they are, here or elsewhere."""

    tag: int
    kind: int
    values: int
    value_bytes: int
    place: int


@dataclass(frozen=True, slots=True)
class _Directory:
    """Byte order and kind of offsets, as of struct, number of entries, offset of the first one."""

    order: str
    word: str
    length: int
    begin: int

    @property
    def end(self) -> int:
        """Offset behind it, and behind the pointer to the next page."""
        word_bytes = struct.calcsize(f"{self.order}{self.word}")
        return self.begin + self.length * (4 + 2 * word_bytes) + word_bytes

    def walk(self, data: bytes) -> Iterator[_Entry]:
        header = struct.Struct(f"{self.order}HH{self.word}")
        inline_bytes = struct.calcsize(f"{self.order}{self.word}")
        at = self.begin
        for _ in range(self.length):
            tag, kind, values = header.unpack_from(data, at)
            at += header.size
            value_bytes = values * _VALUE_BYTES.get(kind, 0)
            is_here = value_bytes <= inline_bytes
            place = at if is_here else struct.unpack_from(self.order + self.word, data, at)[0]
            at += inline_bytes
            yield _Entry(tag, kind, values, value_bytes, place)


def _directory_of(data: bytes) -> _Directory:
    order = "<" if data.startswith(b"II") else ">"
    word, count, start = ("Q", "Q", 8) if b"+" in data[2:4] else ("I", "H", 4)
    (at,) = struct.unpack_from(order + word, data, start)
    (length,) = struct.unpack_from(order + count, data, at)
    return _Directory(order, word, length, at + struct.calcsize(order + count))


def _locates_pixels(tag: int, kind: int) -> bool:
    return kind in _UNSIGNED_TYPES and (tag in _OFFSETS_OF_BYTE_COUNTS or tag in _OFFSETS_OF_BYTE_COUNTS.values())


def _piece_ends(pieces: dict[int, tuple[int, ...]]) -> list[int]:
    return [
        offset + byte_count
        for counts_tag, offsets_tag in _OFFSETS_OF_BYTE_COUNTS.items()
        for offset, byte_count in zip(pieces.get(offsets_tag, ()), pieces.get(counts_tag, ()), strict=False)
    ]
