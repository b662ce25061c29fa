"""Files that look like images: small ones of each format, bombs, and what becomes of them by mutation."""

import io
import random
import struct
import zlib

import numpy as np
from PIL import Image

from trainer.data.synthetic import synthetic_slice

_EXTREMES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF)
_FORMATS = ("JPEG", "PNG", "BMP", "TIFF", "GIF", "WEBP")
_PARTS = 200_000


def seeds() -> list[bytes]:
    """Returns small files of each format, of unlike inner structure."""
    grey = Image.fromarray(synthetic_slice(1, lesion=True)[::5, ::5, 0])
    colour = Image.merge("RGB", [grey, grey.point(lambda value: value // 2), grey.point(lambda value: 255 - value)])
    alpha = colour.copy()
    alpha.putalpha(grey)
    deep = Image.fromarray(np.asarray(grey).astype(np.uint16) * 201)
    exif = Image.Exif()
    exif[0x0112] = 6
    files = [_encoded(picture, name) for name in _FORMATS for picture in (grey, colour)]
    files += [_encoded(colour, "JPEG", progressive=True, exif=exif), _encoded(colour.convert("CMYK"), "JPEG")]
    files += [_encoded(alpha, "PNG"), _encoded(deep, "PNG"), _encoded(colour.quantize(16), "PNG", exif=exif)]
    for compression in ("tiff_lzw", "tiff_deflate", "packbits", "jpeg"):
        files.append(_encoded(grey, "TIFF", compression=compression))
    files += [_encoded(grey.convert("1"), "TIFF", compression="group4"), _encoded(deep, "TIFF")]
    files += [_encoded(Image.fromarray(np.asarray(grey).astype(np.float32)), "TIFF"), _encoded(alpha, "WEBP")]
    files += [_encoded(colour, "WEBP", lossless=True), _encoded(colour.quantize(16), "GIF", transparency=3)]
    files.append(_encoded(grey, "GIF", save_all=True, append_images=[colour, alpha]))
    return files


def bombs() -> list[bytes]:
    """Returns files that are cheap to send and dear to read: giant sizes, and parts by the hundred thousand."""
    picture = Image.fromarray(synthetic_slice(2)[::5, ::5, 0])
    jpeg, png, gif = (_encoded(picture, name) for name in ("JPEG", "PNG", "GIF"))
    progressive = _encoded(Image.new("L", (4000, 4000), 9), "JPEG", progressive=True)
    scan = progressive[progressive.rindex(b"\xff\xda") : -2]
    inflated = zlib.compress(b"a" * 50_000_000, 9)
    header = 13 + 3 * 2 ** ((gif[10] & 7) + 1)
    found = [
        progressive[:-2] + scan * 5_000 + progressive[-2:],
        jpeg[:2] + b"\xff\xe1\0\2" * _PARTS + jpeg[2:],
        jpeg[:2] + b"\xff" * _PARTS + jpeg[2:],
        png[:33] + _chunk(b"zTXt", b"k\0\0" + inflated) * 9 + png[33:],
        png[:33] + _chunk(b"iCCP", b"k\0\0" + inflated) + png[33:],
        png[:33] + _chunk(b"tEXt", b"k\0v") * _PARTS + png[33:],
        png[:33] + _chunk(b"IDAT", inflated) + png[-12:],
        gif[:header] + b"!\xfe\1a\0" * _PARTS + gif[header:],
        _tiff(60, [(322, 4, 1, 46_336), (323, 4, 1, 46_336), (324, 4, 1, 8), (325, 4, 1, 100)]),
        _tiff(60, [(273, 4, 1, 8), *((40_000 + number, 2, 10_000_000, 8) for number in range(500))]).ljust(
            10_000_008, b"\0"
        ),
        _tiff(6_300, [(273, 4, 1, 8), (278, 4, 1, 1), (279, 4, 1, 100)]),
        b"BM"
        + struct.pack("<IIIIiiHHIIIIII", 58, 0, 58, 40, 39_000_000, 1, 1, 8, 1, 0, 0, 0, 1, 0)
        + b"\0\0\0\0\1\7\0\0\0\1",
        b"BM" + struct.pack("<IIIIiiHHIIIIII", 54, 0, 54, 40, 2**30, -(2**30), 1, 24, 0, 0, 0, 0, 0, 0),
    ]
    for side in (6_300, 30_000, 65_500):
        found.append(png[:16] + struct.pack(">II", side, side) + png[24:])
        found.append(_tiff(side, []))
        found.append(gif[:6] + struct.pack("<HH", side, side) + gif[10:])
        if side < 30_000:
            flat = Image.new("L", (side, side))
            flat.putpixel((side // 2, side // 2), 255)
            found += [_encoded(flat, name) for name in ("JPEG", "PNG", "GIF")]
            found += [_encoded(flat, "TIFF", compression="tiff_deflate"), _encoded(flat, "WEBP", method=0)]
    return found


def mutant(files: list[bytes], rng: random.Random) -> bytes:
    """Returns one of the files after one to five changes."""
    data = bytearray(rng.choice(files))
    for _ in range(rng.randint(1, 5)):
        if len(data) > 8:
            rng.choice(_CHANGES)(data, files, rng)
    return _with_right_sums(bytes(data)) if rng.random() < 0.7 else bytes(data)


def _bytes(data: bytearray, _: list[bytes], rng: random.Random) -> None:
    for _ in range(rng.randint(1, 8)):
        data[_place(data, rng)] = rng.randrange(256)


def _number(data: bytearray, _: list[bytes], rng: random.Random) -> None:
    size, order = rng.choice((1, 2, 4)), rng.choice(("little", "big"))
    at = _place(data, rng)
    data[at : at + size] = (rng.choice(_EXTREMES) % 256**size).to_bytes(size, order)


def _cut(data: bytearray, _: list[bytes], rng: random.Random) -> None:
    del data[_place(data, rng) :]


def _removed(data: bytearray, _: list[bytes], rng: random.Random) -> None:
    at = _place(data, rng)
    del data[at : at + rng.randint(1, 64)]


def _repeated(data: bytearray, _: list[bytes], rng: random.Random) -> None:
    at = _place(data, rng)
    piece = data[at : at + rng.randint(1, 200)]
    data[at:at] = piece * rng.choice((1, 2, 50))


def _inserted(data: bytearray, _: list[bytes], rng: random.Random) -> None:
    at = _place(data, rng)
    data[at:at] = rng.randbytes(rng.randint(1, 64))


def _spliced(data: bytearray, files: list[bytes], rng: random.Random) -> None:
    other = rng.choice(files)
    data[_place(data, rng) :] = other[rng.randrange(len(other)) :]


_CHANGES = (_bytes, _bytes, _number, _number, _cut, _removed, _repeated, _inserted, _spliced)


def _place(data: bytearray, rng: random.Random) -> int:
    # Headers decide most, so half of the changes are aimed at them.
    return rng.randrange(min(len(data), 150) if rng.random() < 0.5 else len(data))


def _with_right_sums(data: bytes) -> bytes:
    """Repairs the checksums of a PNG, which else keep most mutants from being read at all."""
    if not data.startswith(b"\x89PNG"):
        return data
    repaired, at = data[:8], 8
    while at + 12 <= len(data):
        end = at + 8 + int.from_bytes(data[at : at + 4], "big")
        if end + 4 > len(data):
            break
        repaired += data[at:end] + struct.pack(">I", zlib.crc32(data[at + 4 : end]))
        at = end + 4
    return repaired + data[at:]


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _tiff(side: int, tags: list[tuple[int, int, int, int]]) -> bytes:
    """Returns a deflated grey page of side by side pixels, of which next to nothing is there."""
    page = [(256, 4, 1, side), (257, 4, 1, side), (258, 3, 1, 8), (259, 3, 1, 8), (262, 3, 1, 1), *tags]
    directory = b"".join(struct.pack("<HHII", *tag) for tag in page)
    return b"II*\0" + struct.pack("<IH", 8, len(page)) + directory + bytes(4) + zlib.compress(bytes(100))


def _encoded(picture: Image.Image, name: str, **options: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, name, **options)
    return file.getvalue()
