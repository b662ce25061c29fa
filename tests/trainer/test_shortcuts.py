"""What tells the labels apart without a look at any lesion."""

import numpy as np
import pytest

from trainer.dataset import Split
from trainer.shortcuts import BRAIN_AREA, BRIGHTNESS, shortcuts


def _split(sides: list[int], greys: list[int], labels: list[int]) -> Split:
    """Square brains of the given sides and grey levels, under a film of what JPEG leaves."""
    images = np.full((len(sides), 40, 40, 1), 5, np.uint8)
    for image, side, grey in zip(images, sides, greys, strict=True):
        image[:side, :side] = grey
    return Split(images, np.array(labels), np.arange(len(sides)), "fingerprint")


def test_areas_that_tell_everything_have_the_full_auc() -> None:
    found = shortcuts(_split([10, 12, 30, 32], [90, 80, 90, 80], [0, 0, 1, 1]))

    assert found[BRAIN_AREA] == 1
    assert found[BRIGHTNESS] == 0.5


def test_it_does_not_matter_which_way_a_shortcut_points() -> None:
    """One of the four pairs is the wrong way round."""
    found = shortcuts(_split([20, 20, 20, 20], [200, 90, 100, 50], [0, 0, 1, 1]))

    assert found[BRAIN_AREA] == 0.5
    assert found[BRIGHTNESS] == pytest.approx(3 / 4)


def test_a_split_of_one_label_has_nothing_to_tell_apart() -> None:
    assert shortcuts(_split([10, 12], [90, 80], [1, 1])) == {}


def test_an_empty_slice_has_no_brain() -> None:
    assert shortcuts(_split([10, 12], [0, 80], [0, 1])) == {BRAIN_AREA: 1, BRIGHTNESS: 1}
