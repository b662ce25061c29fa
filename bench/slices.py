"""Images to send: made up, seeded, of the size and file size of the real ones."""

import io
from pathlib import Path

import numpy as np
from PIL import Image

from trainer.data.synthetic import synthetic_slice

COUNT = 32
_QUALITY = 85  # 4.7 kB a slice, as the real ones have


def write_slices(directory: Path) -> None:
    """Writes COUNT slices as 240x240 JPEG with three equal channels, every other one with a lesion."""
    for seed in range(COUNT):
        pixels = np.repeat(synthetic_slice(seed, lesion=seed % 2 == 1), 3, axis=2)
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "JPEG", quality=_QUALITY)
        (directory / f"{seed:03}.jpg").write_bytes(file.getvalue())


def read_slices(directory: Path) -> list[bytes]:
    """Reads the encoded slices, always in the same order."""
    return [path.read_bytes() for path in sorted(directory.glob("*.jpg"))]
