"""Single slices of the test split: which ones a report tells of, and what it tells."""

import base64
import io
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gateway.imaging import ImageArray, draw_heatmap, draw_overlay, picture_of
from trainer.evaluate import Candidate, predict_images
from trainer.reliability import Reliability
from trainer.report.answers import Answers

MAX_ERRORS = 24
"""Of each kind."""

_EXAMPLES_OF_A_LABEL = 5
_SIDE = 160
"""Of a picture, in pixels. With it and MAX_ERRORS a report stays below 1 MB, whatever the data."""

_QUALITY = 82


@dataclass(frozen=True, slots=True)
class Case:
    """One slice and its verdict.

    Attributes:
      row: in the test split.
      group: its near-duplicates.
      tumor: the truth.
      called: whether it was called Tumor.
      probability: P(tumor).
      reliability: how far the version vouches for it.
      pictures: the slice, and the slice under its heatmap, as data: URIs; none where slices may not be shown.
    """

    row: int
    group: int
    tumor: bool
    called: bool
    probability: float
    reliability: Reliability
    pictures: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Cases:
    """The slices that a report tells of.

    Attributes:
      examples: drawn at random, of both labels as many, as far as there are.
      false_negatives: missed tumors, the most certain mistake first, MAX_ERRORS at most.
      false_positives: alike.
    """

    examples: list[Case]
    false_negatives: list[Case]
    false_positives: list[Case]


def choose_cases(answers: Answers, candidate: Candidate, seed: int) -> Cases:
    """Chooses slices, and asks the candidate to explain these and no others."""
    tumor, called, probabilities = answers.truth, answers.called, answers.probabilities
    rows = (
        _examples(tumor, seed),
        _by(probabilities, np.flatnonzero(tumor & ~called)),
        _by(-probabilities, np.flatnonzero(~tumor & called)),
    )
    chosen = np.unique(np.concatenate(rows))
    pictures = _pictures(answers, candidate, chosen) if answers.with_pictures else {}
    examples, false_negatives, false_positives = ([_case(answers, row, pictures) for row in kind] for kind in rows)
    return Cases(examples, false_negatives, false_positives)


def _examples(tumor: NDArray[np.bool_], seed: int) -> NDArray[np.intp]:
    rng = np.random.default_rng(seed)
    drawn = [rng.permutation(np.flatnonzero(tumor == label))[:_EXAMPLES_OF_A_LABEL] for label in (True, False)]
    return np.concatenate(drawn)


def _by(key: NDArray[np.float64], rows: NDArray[np.intp]) -> NDArray[np.intp]:
    return rows[np.argsort(key[rows], kind="stable")][:MAX_ERRORS]


def _case(answers: Answers, row: int, pictures: dict[int, tuple[str, ...]]) -> Case:
    return Case(
        row=int(row),
        group=int(answers.split.groups[row]),
        tumor=bool(answers.truth[row]),
        called=bool(answers.called[row]),
        probability=float(answers.probabilities[row]),
        reliability=Reliability(int(answers.outputs["reliability"][row])),
        pictures=pictures.get(int(row), ()),
    )


def _pictures(answers: Answers, candidate: Candidate, rows: NDArray[np.intp]) -> dict[int, tuple[str, ...]]:
    if not len(rows):
        return {}
    slices = [np.asarray(answers.split.images[row]) for row in rows]
    heats = predict_images(candidate, slices, "explain")["heatmap"]
    return {
        int(row): tuple(map(_data_uri, _drawn(image, heat)))
        for row, image, heat in zip(rows, slices, heats, strict=True)
    }


def _drawn(image: ImageArray, heat: NDArray[np.float32]) -> Iterable[Image.Image]:
    yield picture_of(image)
    yield draw_overlay(draw_heatmap(heat, *image.shape[:2]), image)


def _data_uri(picture: Image.Image) -> str:
    file = io.BytesIO()
    picture.resize((_SIDE, _SIDE), Image.Resampling.LANCZOS).save(file, "JPEG", quality=_QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"
