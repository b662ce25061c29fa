"""Files that are odd and yet shown by viewers."""

import io
import struct

import numpy as np
import pytest
from PIL import Image

from gateway.imaging import TooManyPartsError, TruncatedImageError, decode

_GREY, _RGB = 0, 2


def _run_length_encoded(values: np.ndarray) -> bytes:
    """Writes BMP with RLE8, a run for each pixel."""
    height, width = values.shape
    runs = np.stack([np.ones_like(values), values], axis=2)[::-1]
    data = b"".join(row.tobytes() + b"\0\0" for row in runs) + b"\0\1"
    palette = bytes(level for grey in range(256) for level in (grey, grey, grey, 0))
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, 1, len(data), 0, 0, 256, 0)
    pixels_at = 14 + len(header) + len(palette)
    return b"BM" + struct.pack("<IHHI", pixels_at + len(data), 0, 0, pixels_at) + header + palette + data


def test_a_bitmap_of_many_runs_is_read():
    values = np.random.default_rng(1).integers(0, 256, (512, 512), np.uint8)
    assert np.array_equal(decode(_run_length_encoded(values))[..., 0], values)


def test_a_bitmap_of_millions_of_runs_is_not():
    with pytest.raises(TooManyPartsError):
        decode(_run_length_encoded(np.random.default_rng(1).integers(0, 256, (1000, 1000), np.uint8)))


@pytest.mark.parametrize("is_seen", [False, True])
def test_a_bitmap_is_opaque_only_where_its_alpha_is_0_everywhere(colour, is_seen):
    height, width = colour.shape[:2]
    alpha = np.full((height, width), 255 * is_seen, np.uint8)
    alpha[:10] = 0
    masks = struct.pack("<IIII", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    header = struct.pack("<IiiHHIIiiII", 108, width, height, 1, 32, 3, 0, 0, 0, 0, 0) + masks + bytes(52)
    pixels = np.dstack([colour[..., ::-1], alpha])[::-1].tobytes()
    pixels_at = 14 + len(header)
    file = b"BM" + struct.pack("<IHHI", pixels_at + len(pixels), 0, 0, pixels_at) + header + pixels
    assert np.array_equal(decode(file), np.where(alpha[..., np.newaxis] == 255, colour, 0) if is_seen else colour)


@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_may_have_a_film_behind_it(grey, encode, progressive):
    """Some phones append one; that it holds the bytes of a marker means nothing."""
    file = encode(grey, "JPEG", quality=95, progressive=progressive)
    assert np.array_equal(decode(file + np.random.default_rng(1).bytes(4_000_000) + b"\xff\xda" * 100), decode(file))


def test_scans_behind_a_comment_are_counted(grey, encode):
    """Which may hold the bytes of an end."""
    file = encode(grey, "JPEG", quality=95, progressive=True)
    scan = file.index(b"\xff\xda")
    comment, empty_scan = b"\xff\xfe\x00\x04\xff\xd9", b"\xff\xda\x00\x02"
    assert np.array_equal(decode(file[:scan] + comment + file[scan:]), decode(file))
    with pytest.raises(TooManyPartsError, match="scans"):
        decode(file[:scan] + comment + empty_scan * 40 + file[scan:])


def test_a_jpeg_of_millions_of_segments_is_refused(grey, encode):
    file = encode(grey, "JPEG")
    with pytest.raises(TooManyPartsError):
        decode(file[:2] + b"\xff\xfe\x00\x02" * 1_000_000 + file[2:])


@pytest.mark.parametrize(
    ("image_format", "options"), [("JPEG", {"quality": 95}), ("PNG", {}), ("WEBP", {"lossless": True})]
)
def test_an_orientation_in_xmp_is_none(grey, image_format, options):
    """Viewers go by EXIF."""
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    file = io.BytesIO()
    image = Image.fromarray(grey)
    if image_format == "PNG":
        from PIL.PngImagePlugin import PngInfo

        text = PngInfo()
        text.add_itxt("XML:com.adobe.xmp", xmp.decode())
        image.save(file, image_format, pnginfo=text)
    else:
        image.save(file, image_format, xmp=xmp, **options)
    assert decode(file.getvalue()).shape[:2] == grey.shape


@pytest.mark.parametrize("exif", [b"Exif\0\0garbage!", b"II*\0"], ids=["garbage", "cut"])
@pytest.mark.parametrize(("image_format", "options"), [("PNG", {}), ("WEBP", {"lossless": True})])
def test_damaged_exif_counts_as_none(grey, encode, image_format, options, exif):
    file = encode(grey, image_format, exif=exif, **options)
    assert np.array_equal(decode(file)[..., 0], grey)


@pytest.mark.parametrize("bits", [2, 4])
def test_few_bits_may_be_transparent(grey, write_png, bits):
    levels = 2**bits - 1
    values = grey >> (8 - bits)
    digits = np.unpackbits(values[..., np.newaxis], axis=2)[..., 8 - bits :]
    rows = [row.tobytes() for row in np.packbits(digits.reshape(48, -1), axis=1)]
    transparent = levels // 2
    found = decode(write_png((40, 48), bits, _GREY, [rows], b"tRNS" + struct.pack(">H", transparent)))
    assert np.array_equal(found[..., 0], np.where(values == transparent, 0, values * (255 // levels)))


@pytest.mark.parametrize("order", ["<", ">"])
def test_planes_of_16_bits_are_colours(colour, order):
    """Uncompressed, which Pillow's own reader takes for 8 bits."""
    height, width = colour.shape[:2]
    planes = [(colour[..., band].astype(np.uint16) * 257).astype(order + "u2").tobytes() for band in range(3)]
    count, data_at = 11, 8 + 2 + 11 * 12 + 4
    strips_at, counts_at, bits_at = data_at, data_at + 12, data_at + 24
    pixels_at = bits_at + 6
    entries = [(256, 4, 1, width), (257, 4, 1, height), (258, 3, 3, bits_at), (259, 4, 1, 1), (262, 4, 1, _RGB)]
    entries += [(273, 4, 3, strips_at), (277, 4, 1, 3), (278, 4, 1, height), (279, 4, 3, counts_at), (284, 4, 1, 2)]
    entries += [(339, 4, 1, 1)]
    places = [pixels_at + band * len(planes[0]) for band in range(3)]
    file = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "IH", 8, count)
    file += b"".join(struct.pack(order + "HHII", *entry) for entry in entries) + bytes(4)
    file += struct.pack(order + "3I3I3H", *places, *[len(planes[0])] * 3, 16, 16, 16) + b"".join(planes)
    assert np.array_equal(decode(file), colour)


@pytest.mark.parametrize("deflate", [False, True])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", [np.uint16, np.int16, np.int32, np.uint32])
@pytest.mark.parametrize("photometric", [0, 1])
def test_any_integers_in_either_byte_order_and_with_either_white(grey, write_tiff, photometric, kind, order, deflate):
    stored = (grey.astype(np.int64) * (257 if kind == np.uint16 else 1)).astype(kind)
    shown = 255 - grey if photometric == 0 else grey
    found = decode(write_tiff(stored, order=order, photometric=photometric, deflate=deflate))
    assert np.array_equal(found[..., 0], shown)


def test_a_palette_of_eight_bits_where_sixteen_are_due(colour):
    file = io.BytesIO()
    palette = Image.fromarray(colour).quantize(64)
    palette.save(file, "TIFF")
    data = bytearray(file.getvalue())
    stored = np.array(palette.getpalette("RGB"), np.uint16).reshape(-1, 3).T.tobytes()
    sixteen = (np.frombuffer(stored, np.uint16) * 256).tobytes()
    at = bytes(data).find(sixteen[:64])
    colours = np.frombuffer(bytes(data[at : at + 3 * 256 * 2]), "<u2")
    data[at : at + 3 * 256 * 2] = (colours // 256).astype("<u2").tobytes()
    assert np.array_equal(decode(bytes(data)), np.asarray(palette.convert("RGB")))


@pytest.mark.parametrize("missing", [1, 4, 12, 21])
def test_a_png_without_all_of_its_end_is_no_whole_file(grey, encode, missing):
    """Also where all pixels are there: what else is missing nobody knows."""
    with pytest.raises(TruncatedImageError):
        decode(encode(grey, "PNG")[:-missing])
