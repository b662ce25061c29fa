"""Large pictures are read in bands, which nobody may see."""

import io
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from gateway.imaging import decode, draw_heatmap, draw_overlay
from gateway.imaging.bands import array_of, bands

_TILES = (50, 30)
"""How often the slice of 48 by 40 pixels is laid down and across: 2.9 million pixels are three bands."""

_PROGRAM = """
import io, resource, sys
import numpy as np
from PIL import Image
from gateway.imaging import decode
data = sys.stdin.buffer.read()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
decode(data)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""


def _images(grey):
    alpha = Image.fromarray(np.roll(grey, 5, axis=0))
    image = Image.fromarray(grey)
    colour = Image.merge("RGB", [image, image.point([level // 2 for level in range(256)]), image])
    return {
        "1": image.convert("1"),
        "L": image,
        "LA": Image.merge("LA", [image, alpha]),
        "P": colour.quantize(16),
        "RGB": colour,
        "RGBA": Image.merge("RGBA", [*colour.split(), alpha]),
        "I;16": Image.fromarray(grey.astype(np.uint16) * 16),
        "I": Image.fromarray(grey.astype(np.int32) - 100),
        "F": Image.fromarray(grey.astype(np.float32) / 7),
    }


def _tiled(image):
    whole = Image.new(image.mode, (image.width * _TILES[1], image.height * _TILES[0]))
    if image.mode == "P":
        whole.putpalette(image.getpalette())
    for row in range(_TILES[0]):
        for column in range(_TILES[1]):
            whole.paste(image, (column * image.width, row * image.height))
    return whole


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16", "I", "F"])
def test_a_large_picture_is_what_its_tiles_are(grey, encode, mode):
    image, image_format = _images(grey)[mode], "TIFF" if mode in {"I", "F"} else "PNG"
    small, large = (decode(encode(picture, image_format)) for picture in (image, _tiled(image)))
    assert np.array_equal(large, np.tile(small, (*_TILES, 1)))
    assert np.array_equal(array_of(_tiled(image)), np.asarray(_tiled(image)))
    assert np.array_equal(array_of(_tiled(image), "L"), np.asarray(_tiled(image).convert("L")))


def test_bands_are_all_rows_in_their_order():
    assert [row for band in bands(2400, 1200) for row in range(2400)[band]] == list(range(2400))
    assert list(bands(240, 240)) == [slice(0, 240)]
    assert list(bands(2, 10_000_000)) == [slice(0, 1), slice(1, 2)]


def test_a_large_heatmap_has_no_seams(grey):
    heat = np.random.default_rng(1).random((8, 8)).astype(np.float32)
    tiled = np.tile(grey, _TILES)[..., np.newaxis]
    heatmap = draw_heatmap(heat, *tiled.shape[:2])
    smooth = np.asarray(Image.fromarray(heat).resize(heatmap.size, Image.Resampling.BILINEAR))
    assert np.array_equal(np.asarray(heatmap), np.floor(smooth * 255 + 0.5))
    overlay = np.asarray(draw_overlay(heatmap, tiled))
    for rows in (slice(0, 700), slice(700, 1500)):
        part = draw_overlay(heatmap.crop((0, rows.start, heatmap.width, rows.stop)), tiled[rows])
        assert np.array_equal(overlay[rows], np.asarray(part))


def test_memory_is_that_of_the_picture_and_its_pixels():
    file = io.BytesIO()
    columns = np.tile(np.arange(4000, dtype=np.float32), (4000, 1))
    Image.fromarray(columns).save(file, "TIFF", compression="tiff_adobe_deflate")
    run = subprocess.run(
        [sys.executable, "-c", _PROGRAM], input=file.getvalue(), capture_output=True, timeout=60, check=True
    )
    # In MiB: 64 of libtiff's or Pillow's pixels, 64 of NumPy's, 16 of the result.
    assert float(run.stdout) < 200
