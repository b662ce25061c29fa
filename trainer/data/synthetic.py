"""Made-up slices that look like the real ones: skull-stripped, axial, FLAIR-like.

The repository may hold none of the real data, so golden requests, tests and benchmarks use these.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from gateway.imaging import ImageArray

SIDE = 240
"""Height and width of a slice in a data set, real or made up, in pixels."""


def synthetic_slice(seed: int, lesion: bool = False) -> ImageArray:
    """Draws one slice; the same arguments draw the same slice.

    Args:
      seed: of shape, texture and place of the lesion.
      lesion: whether a bright lesion with an uneven border is drawn.

    Returns:
      uint8 (SIDE, SIDE, 1).
    """
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[-1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j]
    width, height = rng.uniform(0.4, 0.46), rng.uniform(0.5, 0.58)
    brain = (x / width) ** 2 + (y / height) ** 2 < 1 + 0.06 * _noise(rng, 20) + 0.03 * _noise(rng, 4)
    rim = 1 - gaussian_filter(brain.astype(float), 9)
    picture = rng.uniform(0.38, 0.55) * (1 + 0.06 * _noise(rng, 5) + 0.05 * _noise(rng, 1.2) + 0.5 * rim)
    picture[(np.abs(_noise(rng, 4)) < 0.22) & (rim > 0.12)] *= 0.45  # sulci
    picture[_ventricles(x, y, rng)] *= 0.3
    picture[(np.abs(x) < 0.009) & (np.abs(y) > 0.2)] *= 0.35
    if lesion:
        picture += _lesion(x, y, rng)
    picture = gaussian_filter(picture, 0.8) * brain + rng.normal(0, 0.008, picture.shape) * brain
    return np.asarray(np.clip(picture * 255, 0, 255)[..., None], np.uint8)


def _noise(rng: np.random.Generator, smoothness: float) -> NDArray[np.float64]:
    field = gaussian_filter(rng.normal(size=(SIDE, SIDE)), smoothness)
    return np.asarray(field / field.std())


def _ventricles(x: NDArray[np.float64], y: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.bool_]:
    size, gap, lean = rng.uniform(0.03, 0.06), rng.uniform(0.05, 0.08), rng.uniform(0.2, 0.5)
    sides = [((x - side * (gap + lean * y * side * 0.3)) / size) ** 2 + (y / (3 * size)) ** 2 < 1 for side in (-1, 1)]
    return np.logical_or(*sides)


def _lesion(x: NDArray[np.float64], y: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    angle, reach = rng.uniform(0, 2 * np.pi), rng.uniform(0.15, 0.28)
    radius = rng.uniform(0.1, 0.18) * (1 + 0.25 * _noise(rng, 8))
    inside = np.hypot(x - reach * np.cos(angle), y - reach * np.sin(angle)) < radius
    return np.asarray(rng.uniform(0.35, 0.5) * gaussian_filter(inside.astype(float), 3))
