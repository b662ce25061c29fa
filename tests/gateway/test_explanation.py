"""Pictures of where the model looked."""

import io

import numpy as np
import pytest
from PIL import Image

from gateway.errors import ModelFailedError
from gateway.explanation import explain


def _pixels(png):
    return np.asarray(Image.open(io.BytesIO(png)))


@pytest.fixture
def slice_():
    return np.full((60, 40, 1), 100, np.uint8)


def test_both_pictures_have_the_slices_size(slice_):
    explanation = explain(np.zeros((4, 4), np.float32), slice_)
    assert _pixels(explanation.heatmap_png).shape == (60, 40)
    assert _pixels(explanation.overlay_png).shape == (60, 40, 3)


def test_the_heatmap_is_white_where_the_evidence_lies(slice_):
    heat = np.zeros((6, 4), np.float32)
    heat[0, 3] = 1
    heatmap = _pixels(explain(heat, slice_).heatmap_png)
    assert heatmap[0, -1] == 255
    assert heatmap[-1, 0] == 0


def test_it_is_interpolated(slice_):
    heatmap = _pixels(explain(np.array([[0, 1]], np.float32), slice_).heatmap_png)
    steps = np.diff(heatmap[0].astype(int))
    assert heatmap[0, 0] == 0
    assert heatmap[0, -1] == 255
    assert (steps >= 0).all()
    assert steps.max() <= 16  # 255 over the 20 columns between the two centres is 13.


def test_the_overlay_is_the_slice_where_there_is_no_heat(slice_):
    overlay = _pixels(explain(np.zeros((4, 4), np.float32), slice_).overlay_png)
    assert (overlay == 100).all()


def test_the_overlay_is_coloured_where_there_is_heat_and_lets_the_slice_through(slice_):
    hot = np.ones((4, 4), np.float32)
    overlay = _pixels(explain(hot, slice_).overlay_png)[0, 0].astype(int)
    assert overlay.max() - overlay.min() > 50
    brighter = _pixels(explain(hot, slice_ + 100).overlay_png)[0, 0].astype(int)
    assert (brighter > overlay).all()


def test_the_overlay_is_red_where_it_is_warm_and_yellow_where_it_is_hot(slice_):
    warm, hot = (_pixels(explain(np.full((4, 4), heat, np.float32), slice_).overlay_png)[0, 0] for heat in (0.5, 1))
    assert warm[0] > warm[2] > warm[1]
    assert min(hot[:2]) > 2 * hot[2]


def test_colour_slices_keep_their_colours():
    colour = np.zeros((8, 8, 3), np.uint8)
    colour[..., 1] = 200
    assert (_pixels(explain(np.zeros((2, 2), np.float32), colour).overlay_png) == (0, 200, 0)).all()


def test_heat_out_of_range_is_drawn_and_not_failed_on(slice_):
    heatmap = _pixels(explain(np.full((3, 3), 7, np.float64), slice_).heatmap_png)
    assert set(heatmap.ravel()) == {255}


@pytest.mark.parametrize("heat", [np.nan, np.inf])
def test_heat_that_is_no_number_is_none(heat, slice_):
    """A black map would say that nothing spoke for a tumor."""
    with pytest.raises(ModelFailedError):
        explain(np.array([[0.5, heat]], np.float32), slice_)
