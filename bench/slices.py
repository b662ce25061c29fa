"""Images to send: made up, seeded, of the size and file size of the real ones."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image

from trainer.data.synthetic import synthetic_slice

COUNT = 32
_QUALITY = 85  # 4.7 kB a slice, as the real ones have


@contextmanager
def written_slices() -> Iterator[Path]:
    """Yields a directory of COUNT slices, 240x240 JPEG with three equal channels, every other one with a lesion."""
    with TemporaryDirectory(prefix="bench-") as directory:
        for seed in range(COUNT):
            pixels = np.repeat(synthetic_slice(seed, lesion=seed % 2 == 1), 3, axis=2)
            Image.fromarray(pixels).save(Path(directory, f"{seed:03}.jpg"), quality=_QUALITY)
        yield Path(directory)


def read_slices(directory: Path) -> list[bytes]:
    """Reads the encoded slices, always in the same order."""
    return [path.read_bytes() for path in sorted(directory.glob("*.jpg"))]
