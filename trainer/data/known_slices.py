"""What a version was fitted to and tested on, kept with it as perceptual hashes: later data sets are split alike.

Were the sides drawn anew each time that a data set grows, a new network would be tested on slices that the stable one
was fitted to, and seem the worse of the two.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gateway.imaging import ImageArray
from trainer.data.grouping import HASH_BITS, perceptual_hash
from trainer.errors import BrokenModelError, SeenSlicesError

TRAIN_HASHES = Path("assets.extra", "train_hashes.bin")
"""Where those of the training split lie in a version: HASH_BITS / 8 bytes each, without repetitions."""

TEST_HASHES = Path("assets.extra", "test_hashes.bin")
"""The same for its test split."""


@dataclass(frozen=True, slots=True)
class KnownSlices:
    """Perceptual hashes of the slices that a version knows.

    Attributes:
      train: bool (M, HASH_BITS), of the training split.
      test: bool (K, HASH_BITS), of the test split.
    """

    train: NDArray[np.bool_]
    test: NDArray[np.bool_]

    @classmethod
    def of_version(cls, model_dir: Path, version: int) -> "KnownSlices":
        """Reads those of a version; one that came without them, or that there is not, as 0, knows none.

        Raises:
          BrokenModelError: a file of theirs is damaged, as one that was not copied to its end.
        """
        directory = model_dir / str(version)
        return cls(_read(directory / TRAIN_HASHES), _read(directory / TEST_HASHES))


def write_hashes(path: Path, images: Iterable[ImageArray]) -> None:
    """Writes the hashes of the slices of a split, uint8 (SIDE, SIDE, channels) each."""
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"".join(sorted(set(map(_packed_hash, images)))))


def require_unseen(directory: Path, images: Iterable[ImageArray]) -> None:
    """Raises SeenSlicesError where a network was fitted to slices that it is to be tested on.

    Args:
      directory: of its SavedModel, with the hashes of its training split.
      images: uint8 (SIDE, SIDE, channels) each, of the test split. Equal hashes are never on both sides of one split.
    """
    if seen := seen_among(directory, images):
        raise SeenSlicesError(
            f"{seen} test slices are among those that the network was fitted to: the data set was built anew since; "
            "run: python -m trainer train"
        )


def seen_among(directory: Path, images: Iterable[ImageArray]) -> int:
    """Returns how many of these a network was fitted to; 0 where it came without hashes. Arguments: require_unseen."""
    fitted = _packed(directory)
    return sum(_packed_hash(image) in fitted for image in images)


def is_fitted_to(directory: Path, images: Iterable[ImageArray]) -> bool:
    """Tells whether these are the slices that a network was fitted to, or whether it came without hashes.

    Args:
      directory: of its SavedModel.
      images: uint8 (SIDE, SIDE, channels) each, of a training split.
    """
    fitted = _packed(directory)
    return not fitted or fitted == set(map(_packed_hash, images))


def _packed(directory: Path) -> set[bytes]:
    return {np.packbits(hashes).tobytes() for hashes in _read(directory / TRAIN_HASHES)}


def _packed_hash(image: ImageArray) -> bytes:
    return np.packbits(perceptual_hash(np.asarray(image))).tobytes()


def _read(path: Path) -> NDArray[np.bool_]:
    hashes = np.frombuffer(path.read_bytes() if path.exists() else b"", np.uint8)
    if hashes.size % (HASH_BITS // 8):
        raise BrokenModelError(f"{path.name} of the model in {path.parents[1].name} is damaged; copy it there anew")
    return np.unpackbits(hashes.reshape(-1, HASH_BITS // 8), axis=1).astype(np.bool_)
