"""When the shipped model says that it does not know, and where it looks, on the real data set.

The pictures of other kinds are not made as trainer.training.outliers makes those that a version is fitted with.
"""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageEnhance
from scipy.ndimage import binary_dilation, binary_erosion, binary_fill_holes, gaussian_filter

from trainer.dataset import Split
from trainer.evaluate import Candidate, predict_images
from trainer.reliability import Reliability

pytestmark = pytest.mark.real_data

Picture = NDArray[np.uint8]
"""uint8 (240, 240)."""

_SIDE = 240


def drawn(kind: str, rng: np.random.Generator) -> Picture:
    """Draws a picture of a kind in DRAWN."""
    return np.clip(DRAWN[kind](rng), 0, 255).astype(np.uint8)


def _text(rng: np.random.Generator) -> NDArray[np.uint8]:
    paper = int(rng.choice([0, 255]))
    page = Image.new("L", (_SIDE, _SIDE), paper)
    for line in range(0, _SIDE, 18):
        letters = "".join(chr(code) for code in rng.integers(65, 122, 34))
        ImageDraw.Draw(page).text((int(rng.integers(0, 60)), line), letters, fill=255 - paper)
    return np.asarray(page)


def _drawing(rng: np.random.Generator) -> NDArray[np.uint8]:
    paper = int(rng.choice([0, 255]))
    page = Image.new("L", (_SIDE, _SIDE), paper)
    for _ in range(rng.integers(3, 9)):
        left, top, width, height = (int(value) for value in rng.integers(20, 110, 4))
        box = (left, top, left + width, top + height)
        pen = ImageDraw.Draw(page)
        (pen.ellipse if rng.random() < 0.5 else pen.rectangle)(box, outline=255 - paper, width=3)
    return np.asarray(page)


def _noise(rng: np.random.Generator) -> NDArray[np.float64]:
    field = gaussian_filter(rng.normal(size=(_SIDE, _SIDE)), rng.choice([0, 2, 12]))
    return np.asarray(128 + rng.uniform(15, 60) * field / field.std())


def _gradient(rng: np.random.Generator) -> NDArray[np.float64]:
    y, x = np.mgrid[-1 : 1 : _SIDE * 1j, -1 : 1 : _SIDE * 1j]
    angle = rng.uniform(0, 2 * np.pi)
    return np.asarray(128 + 120 * (np.cos(angle) * x + np.sin(angle) * y) / 1.42)


def _blank(rng: np.random.Generator) -> NDArray[np.float64]:
    page = np.full((_SIDE, _SIDE), rng.uniform(0, 250))
    page[tuple(rng.integers(0, _SIDE, 2))] += 5
    return page


def _head_in_ct(rng: np.random.Generator) -> NDArray[np.float64]:
    """An ellipse of even tissue within bright bone."""
    y, x = np.mgrid[-1 : 1 : _SIDE * 1j, -1 : 1 : _SIDE * 1j]
    radius = np.hypot(x / rng.uniform(0.6, 0.75), y / rng.uniform(0.75, 0.9))
    tissue = 90 + 8 * gaussian_filter(rng.normal(size=radius.shape), 4) / 0.07
    return np.asarray(np.where(radius < 0.9, tissue, 250.0) * (radius < 1))


DRAWN: dict[str, Callable[[np.random.Generator], NDArray[np.float64] | NDArray[np.uint8]]] = {
    "text": _text,
    "drawing": _drawing,
    "noise": _noise,
    "gradient": _gradient,
    "blank": _blank,
    "head in CT": _head_in_ct,
}


def _skulled(slice_: Picture) -> Picture:
    """Puts an even ring of scalp around the brain."""
    brain = binary_fill_holes(slice_ > 20)
    ring = binary_dilation(brain, iterations=12) & ~binary_dilation(brain, iterations=5)
    return np.where(ring, np.uint8(200), slice_)


def _inverted_in_the_brain(slice_: Picture) -> Picture:
    brain = binary_fill_holes(slice_ > 20)
    return np.where(brain, slice_[brain].max(initial=0) - slice_, np.uint8(0))


CHANGED: dict[str, Callable[[Picture], Picture]] = {
    "inverted": lambda slice_: 255 - slice_,
    "inverted in the brain": _inverted_in_the_brain,
    "upside down": lambda slice_: slice_[::-1],
    "cropped": lambda slice_: np.asarray(Image.fromarray(slice_[70:160, 75:165]).resize((_SIDE, _SIDE))),
    "with skull": _skulled,
}
"""What makes another kind of picture of a slice."""


def _by_pillow(change: Callable[[Image.Image], Image.Image]) -> Callable[[Picture], Picture]:
    return lambda slice_: np.asarray(change(Image.fromarray(slice_)).convert("L").resize((_SIDE, _SIDE)))


def _recompressed(picture: Image.Image) -> Image.Image:
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=40)
    return Image.open(file)


MILD: dict[str, Callable[[Picture], Picture]] = {
    "darker": _by_pillow(lambda picture: ImageEnhance.Brightness(picture).enhance(0.85)),
    "brighter": _by_pillow(lambda picture: ImageEnhance.Brightness(picture).enhance(1.1)),
    "flatter": _by_pillow(lambda picture: ImageEnhance.Contrast(picture).enhance(0.85)),
    "harder": _by_pillow(lambda picture: ImageEnhance.Contrast(picture).enhance(1.1)),
    "JPEG at quality 40": _by_pillow(_recompressed),
    "of fewer pixels": _by_pillow(lambda picture: picture.resize((200, 200))),
    "of more pixels": _by_pillow(lambda picture: picture.resize((512, 512))),
    "of as many as the network takes": lambda slice_: np.asarray(Image.fromarray(slice_).resize((128, 128))),
    "turned": _by_pillow(lambda picture: picture.rotate(4, Image.Resampling.BILINEAR)),
}
"""Changes that leave a slice what it is."""


@pytest.fixture(scope="module")
def model(shipped_version: Path) -> Candidate:
    return Candidate(shipped_version)


@pytest.fixture(scope="module")
def slices(test_split: Split) -> NDArray[np.uint8]:
    """The slices of the untouched test split, uint8 [N, 240, 240]."""
    return np.asarray(test_split.images)[..., 0]


def _answers(model: Candidate, pictures: Any, signature: str = "serving_default") -> dict[str, NDArray[Any]]:
    return predict_images(model, [np.ascontiguousarray(picture)[..., None] for picture in pictures], signature)


def _flagged(model: Candidate, pictures: Any) -> float:
    return float((_answers(model, pictures)["reliability"] == Reliability.OUT_OF_DOMAIN).mean())


def test_slices_like_those_of_training_are_not_flagged(model: Candidate, slices: NDArray[np.uint8]) -> None:
    assert _flagged(model, slices) <= 0.03


@pytest.mark.parametrize("kind", DRAWN)
def test_pictures_that_are_no_slices_are_flagged(kind: str, model: Candidate) -> None:
    rng = np.random.default_rng(11)

    assert _flagged(model, [drawn(kind, rng) for _ in range(60)]) >= 0.95


@pytest.mark.parametrize("kind", CHANGED)
def test_slices_that_are_not_as_they_should_be_are_flagged(
    kind: str, model: Candidate, slices: NDArray[np.uint8]
) -> None:
    assert _flagged(model, [CHANGED[kind](slice_) for slice_ in slices[::4]]) >= 0.8


@pytest.mark.parametrize("change", MILD)
def test_a_mild_change_neither_flips_nor_flags(change: str, model: Candidate, slices: NDArray[np.uint8]) -> None:
    before = _answers(model, slices)
    after = _answers(model, [MILD[change](slice_) for slice_ in slices])

    assert (after["label"] == before["label"]).mean() >= 0.97
    assert (after["reliability"] == Reliability.OUT_OF_DOMAIN).mean() <= 0.04


@pytest.mark.parametrize("percentile", [40, 60, 75])
def test_where_much_is_white_no_tumor_is_not_relied_upon(
    percentile: float, model: Candidate, slices: NDArray[np.uint8], test_split: Split
) -> None:
    tumors = slices[test_split.labels == 1]

    answers = _answers(model, [_with_white_from(percentile, slice_) for slice_ in tumors])

    is_missed = answers["label"] == 0
    assert is_missed.mean() > 0.3  # what is white is lost
    assert (is_missed & (answers["reliability"] == Reliability.RELIABLE)).mean() <= 0.05


def _with_white_from(percentile: float, slice_: Picture) -> Picture:
    """Windows a slice so that all above a percentile of the brain is white."""
    white = np.percentile(slice_[slice_ > 20], percentile)
    return np.clip(slice_ * (255 / white), 0, 255).astype(np.uint8)


def test_the_explanation_points_at_a_lesion_that_was_pasted(
    model: Candidate, slices: NDArray[np.uint8], test_split: Split
) -> None:
    rng = np.random.default_rng(5)
    pasted = [_with_lesion(slice_, rng) for slice_ in slices[test_split.labels == 0]]
    answers = _answers(model, [picture for picture, _ in pasted], "explain")
    called = answers["label"] == 1

    hits = [
        lesion[_peak(heatmap)]
        for heatmap, (_, lesion), tumor in zip(answers["heatmap"], pasted, called, strict=True)
        if tumor
    ]
    assert called.mean() > 0.5
    assert np.mean(hits) >= 0.8


def _with_lesion(slice_: Picture, rng: np.random.Generator) -> tuple[Picture, NDArray[np.bool_]]:
    """Pastes a bright blob with a soft, uneven border somewhere into a brain; returns where it is too."""
    brain = binary_fill_holes(slice_ > 20)
    radius = rng.uniform(12, 26)
    depth = int(0.7 * radius)
    while not (inside := binary_erosion(brain, iterations=depth)).any():
        depth -= 1
    y, x = rng.choice(np.argwhere(inside))
    rows, columns = np.indices(slice_.shape)
    border = gaussian_filter(rng.normal(size=slice_.shape), 10)
    lesion = (np.hypot(rows - y, columns - x) < radius * (1 + 0.2 * border / border.std())) & brain
    weight = 0.9 * gaussian_filter(lesion.astype(float), 2)
    tissue = np.percentile(slice_[brain], 90) * rng.uniform(1.15, 1.6)
    return np.clip(slice_ * (1 - weight) + tissue * weight, 0, 255).astype(np.uint8), lesion


def _peak(heatmap: NDArray[np.float32]) -> tuple[int, ...]:
    """Where the map is hottest, once it is as large as the slice."""
    enlarged = np.asarray(Image.fromarray(heatmap).resize((240, 240), Image.Resampling.BICUBIC))
    return tuple(int(at) for at in np.unravel_index(enlarged.argmax(), enlarged.shape))
