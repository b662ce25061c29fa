"""Groups of near-duplicate slices, which must not be torn apart by a split.

Neighbouring slices of one patient look alike. Where one is trained on and the other tested on,
a test measures memory: with a random split, one nearest neighbour on raw pixels beats a network.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.fft import dctn
from scipy.spatial.distance import pdist

from gateway.imaging import ImageArray, picture_of
from trainer.data.average_linkage import average_linkage

HASH_BITS = 64
_SIDE, _KEPT = 32, 8
_MAX_DISTANCE = 10
"""Largest mean distance within a group, in bits."""
_MAX_MATRIX = 10_000
"""Hashes up to which SciPy's linkage is taken: it holds the distances of all pairs, 400 MB of them. Among distances
that are equal it chooses otherwise, so smaller sets, as that of the shipped model, keep to it and to their split."""


def perceptual_hash(image: ImageArray) -> NDArray[np.bool_]:
    """Hashes what a picture looks like: near-duplicates differ in few bits.

    Args:
      image: uint8 (height, width, channels), channels 1 or 3.

    Returns:
      bool (HASH_BITS,).

    Source: the DCT hash of Zauner, "Implementation and Benchmarking of Perceptual Image Hash
    Functions" (2010), section 3.2.1: signs of the low frequencies against their median.
    """
    picture = picture_of(image).convert("L")
    pixels = np.asarray(picture.resize((_SIDE, _SIDE), Image.Resampling.LANCZOS), np.float64)
    low = dctn(pixels, norm="ortho")[:_KEPT, :_KEPT].ravel()
    return np.asarray(low > np.median(low[1:]))


def near_duplicate_groups(hashes: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Groups images by average linkage of their hashes.

    Average linkage joins the closest pairs first and stops where groups are far apart on average;
    single linkage chains most of a set of neighbouring slices into one group.

    Args:
      hashes: bool (N, HASH_BITS). Time grows with the square of the number of distinct ones: 200,000 take a core some
        four minutes.

    Returns:
      int64 (N,), a group number from 0 for each image. Equal hashes share a group.
    """
    distinct, inverse = np.unique(np.packbits(hashes, axis=1), axis=0, return_inverse=True)
    return _linked(np.unpackbits(distinct, axis=1))[inverse.ravel()]


def _linked(bits: NDArray[np.uint8]) -> NDArray[np.int64]:
    if len(bits) == 1:
        return np.zeros(1, np.int64)
    if len(bits) > _MAX_MATRIX:
        return average_linkage(bits, _MAX_DISTANCE)
    distances = pdist(bits.astype(bool), "hamming") * HASH_BITS
    return np.asarray(fcluster(linkage(distances, "average"), _MAX_DISTANCE, "distance"), np.int64) - 1
