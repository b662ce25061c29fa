"""Groups of near-duplicate slices, which must not be torn apart by a split.

Neighbouring slices of one patient look alike. Where one is trained on and the other tested on,
a test measures memory: with a random split, one nearest neighbour on raw pixels beats a network.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.cluster.vq import kmeans2
from scipy.fft import dctn
from scipy.spatial.distance import pdist

from gateway.imaging import ImageArray, picture_of

HASH_BITS = 64
_SIDE, _KEPT = 32, 8
_MAX_DISTANCE = 10.0
"""Largest mean distance within a group, in bits."""
_MAX_CELL = 10_000
"""Images in one linkage: its distances take 8 bytes a pair, so 400 MB."""


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
      hashes: bool (N, HASH_BITS). Above 10,000 distinct hashes the set is first cut into cells of
        similar hashes, so that memory stays bounded.

    Returns:
      int64 (N,), a group number from 0 for each image. Equal hashes share a group.
    """
    distinct, inverse = np.unique(np.packbits(hashes, axis=1), axis=0, return_inverse=True)
    bits = np.unpackbits(distinct, axis=1)
    groups = np.zeros(len(bits), np.int64)
    count = 0
    for cell in _cells(bits, np.arange(len(bits))):
        groups[cell] = count + _linked(bits[cell])
        count = int(groups[cell].max()) + 1
    return groups[inverse.ravel()]


def _linked(bits: NDArray[np.uint8]) -> NDArray[np.int64]:
    if len(bits) == 1:
        return np.zeros(1, np.int64)
    distances = pdist(bits.astype(bool), "hamming") * HASH_BITS
    return np.asarray(fcluster(linkage(distances, "average"), _MAX_DISTANCE, "distance"), np.int64) - 1


def _cells(bits: NDArray[np.uint8], members: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    if len(members) <= _MAX_CELL:
        yield members
        return
    _, side = kmeans2(bits[members].astype(np.float32), 2, minit="++", rng=0)
    if side.min() == side.max():
        side = np.arange(len(members)) % 2
    for half in (0, 1):
        yield from _cells(bits, members[side == half])
