"""How long a TIFF file has to be, by the directory of its first page (TIFF 6.0, section 2)."""

import struct

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
    order = "<" if data.startswith(b"II") else ">"
    word, count, start = ("Q", "Q", 8) if b"+" in data[2:4] else ("I", "H", 4)
    at: int
    (at,) = struct.unpack_from(order + word, data, start)
    (entries,) = struct.unpack_from(order + count, data, at)
    if entries > MAX_READS:
        return len(data)
    at += struct.calcsize(count)
    header = struct.Struct(order + "HH" + word)
    inline_bytes = struct.calcsize(word)
    end = 0
    pieces: dict[int, tuple[int, ...]] = {}
    for _ in range(entries):
        tag, kind, values = header.unpack_from(data, at)
        at += header.size
        value_bytes = values * _VALUE_BYTES.get(kind, 0)
        place: int = at if value_bytes <= inline_bytes else struct.unpack_from(order + word, data, at)[0]
        at += inline_bytes
        end = max(end, place + value_bytes)
        if _locates_pixels(tag, kind) and tag not in pieces and end <= len(data):
            pieces[tag] = struct.unpack_from(f"{order}{values}{_UNSIGNED_TYPES[kind]}", data, place)
    next_page_pointer_end = at + inline_bytes
    return max([end, next_page_pointer_end, *_piece_ends(pieces)])


def _locates_pixels(tag: int, kind: int) -> bool:
    return kind in _UNSIGNED_TYPES and (tag in _OFFSETS_OF_BYTE_COUNTS or tag in _OFFSETS_OF_BYTE_COUNTS.values())


def _piece_ends(pieces: dict[int, tuple[int, ...]]) -> list[int]:
    return [
        offset + byte_count
        for counts_tag, offsets_tag in _OFFSETS_OF_BYTE_COUNTS.items()
        for offset, byte_count in zip(pieces.get(offsets_tag, ()), pieces.get(counts_tag, ()), strict=False)
    ]
