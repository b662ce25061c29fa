"""Pictures that are no slices of the training domain, made of training slices and of nothing.

They teach the domain critic (see trainer.training.domain_critic) what to refuse. What callers send by mistake is
unlike them in detail; so they are many in kind, and each has random size, place and strength.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import (
    affine_transform,
    binary_fill_holes,
    distance_transform_edt,
    gaussian_filter,
    map_coordinates,
    rotate,
)

from trainer.training.saturation import BACKGROUND

Picture = NDArray[np.floating[Any]]
"""Float (H, W), about [0, 1]."""

_CROWN = 0.08
"""Share of the picture that the brain fills, below which a slice is near the crown."""


def outlier(slice_: Picture, rng: np.random.Generator) -> NDArray[np.float32]:
    """Makes one picture of a kind chosen at random.

    Args:
      slice_: of the training domain, (H, W) in [0, 1].
      rng: of kind and details.

    Returns:
      float32 (H, W) in [0, 1].
    """
    kind = KINDS[rng.integers(len(KINDS))]
    return np.asarray(np.clip(kind(slice_, rng), 0, 1), np.float32)


def _upside_down(slice_: Picture, rng: np.random.Generator) -> Picture:
    """Turns a slice over; one near the crown, which looks alike either way, onto its side."""
    if _brain(slice_).mean() < _CROWN:
        return _on_its_side(slice_, rng)
    turned = slice_[::-1]
    return turned[:, ::-1] if rng.random() < 0.5 else turned


def _on_its_side(slice_: Picture, rng: np.random.Generator) -> Picture:
    """Turns a slice by a right angle, or by more than heads are tilted."""
    degrees = 90 if rng.random() < 0.5 else rng.uniform(38, 142)
    return np.asarray(rotate(slice_, rng.choice([-1, 1]) * degrees, reshape=False, order=1))


def _inverted(slice_: Picture, rng: np.random.Generator) -> Picture:
    """Makes bright of dark, everywhere or in the brain alone."""
    inverted = slice_.max() - slice_
    return np.asarray(inverted if rng.random() < 0.5 else inverted * _brain(slice_))


def _overexposed(slice_: Picture, rng: np.random.Generator) -> Picture:
    """Makes one white of all that is brighter than a part of the brain, so that what was in it cannot be seen."""
    brain = slice_[_brain(slice_)]
    white = float(np.quantile(brain, rng.uniform(0.05, 0.7))) if brain.size else 1.0
    return np.asarray(slice_ / max(white, 0.01))


def _cropped(slice_: Picture, rng: np.random.Generator) -> Picture:
    """Shows no more than a part of the brain; of a black slice, which has none, all."""
    places = np.argwhere(_brain(slice_))
    if not len(places):
        return slice_
    low, extent = places.min(axis=0), np.ptp(places, axis=0) + 1
    window = rng.uniform(0.35, 0.8) * extent.max()
    start = low + (extent - window) * rng.uniform(0.2, 0.8, 2)
    return np.asarray(affine_transform(slice_, np.eye(2) * window / slice_.shape, start, order=1))


def _with_skull(slice_: Picture, rng: np.random.Generator) -> Picture:
    """Puts rings around the brain: scalp, and sometimes marrow and bone.

    They are close to it or around its rough shape, and whole or what bad stripping has left of them at one side.
    """
    unit = slice_.shape[0] / 128
    brain = _brain(slice_)
    shape = gaussian_filter(brain.astype(float), rng.uniform(0, 6) * unit) > rng.uniform(0.1, 0.4)
    away = distance_transform_edt(~(brain | shape)) / unit
    picture = slice_ * rng.uniform(0.4, 1)
    side = _side(slice_.shape, rng) if rng.random() < 0.4 else True
    inner = rng.uniform(0.5, 5)
    for _ in range(rng.integers(1, 4)):
        outer = inner + rng.uniform(1, 5)
        rim = (away > inner) & (away <= outer) & side
        uneven = 1 + rng.uniform(0, 0.6) * _noise(slice_.shape, rng.uniform(0.5, 6), rng)
        picture[rim] = (rng.uniform(0.3, 1) * uneven)[rim]
        inner = outer + rng.uniform(0, 2)
    return picture


def _bent(slice_: Picture, rng: np.random.Generator) -> Picture:
    """Deforms a slice beyond what heads differ by, so that it is brain, and no axial section of one."""
    side = slice_.shape[0]
    reach, smoothness = rng.uniform(0.07, 0.14) * side, rng.uniform(0.1, 0.2) * side
    y, x = np.mgrid[:side, :side].astype(float)
    y += reach * _noise(slice_.shape, smoothness, rng)
    x += reach * _noise(slice_.shape, smoothness, rng)
    return np.asarray(map_coordinates(slice_, [y, x], order=1))


def _stretched(slice_: Picture, rng: np.random.Generator) -> Picture:
    """Makes a brain wider than it is long, as from the side or from the front."""
    return _placed(slice_, np.array([rng.uniform(1.25, 1.7), rng.uniform(0.6, 0.9)]), np.zeros(2))


def _with_lobe(slice_: Picture, rng: np.random.Generator) -> Picture:
    """Hangs a small brain below a flat one, as the cerebellum hangs below in sagittal and coronal sections."""
    side = slice_.shape[0]
    top = _placed(slice_, np.array([rng.uniform(1.1, 1.6), rng.uniform(0.75, 1.05)]), np.array([-0.08, 0.0]) * side)
    size = rng.uniform(1.4, 3.2)
    below = np.array([rng.uniform(0.12, 0.26), rng.choice([0, 1]) * rng.uniform(-0.22, 0.22)]) * side
    return _joined(top, _placed(slice_, np.array([size, size * rng.uniform(0.5, 1.0)]), below), rng)


def _with_temporal_lobes(slice_: Picture, rng: np.random.Generator) -> Picture:
    """Hangs a lobe at either side below a flat brain, and often one between, as in coronal sections."""
    side = slice_.shape[0]
    flat, narrow = rng.uniform(1.1, 1.6), rng.uniform(0.7, 1.0)
    picture = _placed(slice_, np.array([flat, narrow]), np.array([rng.uniform(-0.12, -0.04), 0.0]) * side)
    shrink = np.array([rng.uniform(1.5, 2.6), rng.uniform(1.8, 2.8)])
    down, out = rng.uniform(0.1, 0.2), rng.uniform(0.14, 0.22)
    for sideways in (-out, out):
        picture = _joined(picture, _placed(slice_, shrink, np.array([down, sideways]) * side), rng)
    if rng.random() < 0.5:
        shrink = np.array([rng.uniform(2.0, 3.5), rng.uniform(1.3, 2.4)])
        middle = np.array([down + rng.uniform(0, 0.1), 0.0])
        picture = _joined(picture, _placed(slice_, shrink, middle * side), rng)
    return picture


def _joined(picture: Picture, piece: Picture, rng: np.random.Generator) -> Picture:
    """Lays a piece over a picture, with a dark furrow around it or grown into one with it."""
    covered = gaussian_filter(_brain(piece).astype(float), 1) > rng.choice([0.02, 0.2, 0.5])
    return np.where(covered, piece, picture) if rng.random() < 0.6 else np.maximum(picture, piece)


def _other_tissue(slice_: Picture, rng: np.random.Generator) -> Picture:
    """Fills the outline of a brain with anything: flat, a gradient, noise."""
    brain = _brain(slice_)
    return np.asarray(brain * (rng.uniform(0.2, 0.9) + rng.choice([0, 0.1, 0.3]) * _anything(slice_.shape, rng)))


def _shuffled(slice_: Picture, rng: np.random.Generator) -> Picture:
    """Cuts a slice into tiles and lays them anew."""
    tiles = int(rng.choice([2, 4]))
    size = slice_.shape[0] // tiles
    cut = slice_[: size * tiles, : size * tiles].reshape(tiles, size, tiles, size).swapaxes(1, 2)
    order = rng.permutation(tiles * tiles)
    laid = np.empty((tiles * tiles, size, size), slice_.dtype)
    laid[order] = cut.reshape(laid.shape)[np.roll(order, 1)]  # one cycle, so that no tile stays
    picture = np.zeros_like(slice_)
    picture[: size * tiles, : size * tiles] = laid.reshape(cut.shape).swapaxes(1, 2).reshape(size * tiles, -1)
    return picture


def _texture(slice_: Picture, rng: np.random.Generator) -> Picture:
    return np.asarray(0.5 + rng.uniform(0.05, 0.5) * _anything(slice_.shape, rng), np.float32)


def _shapes(slice_: Picture, rng: np.random.Generator) -> Picture:
    """Draws ellipses, boxes and stripes, filled and in outline, on black, grey or white."""
    y, x = np.mgrid[-1 : 1 : slice_.shape[0] * 1j, -1 : 1 : slice_.shape[1] * 1j]
    picture = np.full(slice_.shape, rng.choice([0, 0, rng.random(), 1]))
    for _ in range(rng.integers(1, 8)):
        v, u = (
            (y - rng.uniform(-0.8, 0.8)) / rng.uniform(0.1, 0.8),
            (x - rng.uniform(-0.8, 0.8)) / rng.uniform(0.1, 0.8),
        )
        distance = [np.hypot(v, u), np.maximum(abs(v), abs(u)), abs(v + u), abs(np.sin(v * rng.uniform(3, 20)))]
        inside = distance[rng.integers(4)]
        picture[(inside < 1) & (inside > rng.choice([0, 0.9]))] = rng.random()
    return picture + 0.05 * rng.random() * _anything(slice_.shape, rng)


def _ball(slice_: Picture, rng: np.random.Generator) -> Picture:
    """Draws one ellipse, with a bright border or without: the coarsest picture of a head."""
    y, x = np.mgrid[-1 : 1 : slice_.shape[0] * 1j, -1 : 1 : slice_.shape[1] * 1j]
    size, slimness = rng.uniform(0.2, 0.95), rng.uniform(0.8, 1.25)
    radius = np.hypot((y - rng.uniform(-0.1, 0.1)) / size / slimness, (x - rng.uniform(-0.1, 0.1)) / size * slimness)
    inside = rng.uniform(0.1, 0.9) + rng.choice([0, 0, 0.05, 0.2]) * _anything(slice_.shape, rng)
    border = (radius > rng.uniform(0.75, 0.95)) & (rng.random() < 0.4)
    drawn = (radius < 1) * np.where(border, rng.uniform(0.5, 1), inside)
    return np.asarray(gaussian_filter(drawn, rng.choice([0, 0, 1, 3])))


def _nothing(slice_: Picture, rng: np.random.Generator) -> Picture:
    """Draws a few specks on an even ground."""
    picture = np.full(slice_.shape, rng.random(), np.float32)
    specks = rng.integers(0, slice_.shape[0], (rng.integers(1, 6), 2))
    picture[specks[:, 0], specks[:, 1]] = rng.random()
    return picture


def _side(shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.bool_]:
    """Marks what lies in one direction from the centre, in a sector of 80 to 240 degrees."""
    y, x = np.mgrid[-1 : 1 : shape[0] * 1j, -1 : 1 : shape[1] * 1j]
    angle = rng.uniform(0, 2 * np.pi)
    return np.asarray(y * np.sin(angle) + x * np.cos(angle) > rng.uniform(-0.5, 0.77) * np.hypot(y, x))


def _brain(slice_: Picture) -> NDArray[np.bool_]:
    return np.asarray(binary_fill_holes(slice_ > BACKGROUND * slice_.max()))


def _placed(slice_: Picture, shrink: NDArray[np.float64], shift: NDArray[np.float64]) -> Picture:
    """Shrinks a slice about its centre by a factor along each axis, and moves it, in pixels."""
    centre = (np.array(slice_.shape) - 1) / 2
    return np.asarray(affine_transform(slice_, np.diag(shrink), centre - shrink * (centre + shift), order=1))


def _anything(shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float64]:
    """Draws noise of a random grain, or a gradient; mean 0, deviation 1."""
    if rng.random() < 0.7:
        return _noise(shape, rng.uniform(0, 1) ** 2 * shape[0] / 6, rng)
    y, x = np.mgrid[-1 : 1 : shape[0] * 1j, -1 : 1 : shape[1] * 1j]
    angle = rng.uniform(0, 2 * np.pi)
    return np.asarray((y * np.sin(angle) + x * np.cos(angle)) / 0.6)


def _noise(shape: tuple[int, ...], smoothness: float, rng: np.random.Generator) -> NDArray[np.float64]:
    field = gaussian_filter(rng.normal(size=shape), smoothness)
    return np.asarray((field - field.mean()) / field.std())


KINDS: tuple[Callable[[Picture, np.random.Generator], Picture], ...] = (
    _upside_down, _upside_down, _upside_down, _upside_down, _on_its_side, _inverted, _inverted, _overexposed, _cropped,
    _with_skull, _with_skull, _with_skull, _bent, _bent, _stretched, _stretched, _with_lobe, _with_lobe,
    _with_temporal_lobes, _with_temporal_lobes, _with_temporal_lobes, _other_tissue, _shuffled, _texture, _shapes,
    _ball, _ball, _nothing,
)  # fmt: skip
"""Each as likely as the next; those that are hardest to tell stand here more than once."""
