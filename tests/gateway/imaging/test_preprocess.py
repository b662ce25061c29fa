"""Fitting of slices to a model's input."""

import numpy as np
import pytest
from PIL import Image

from gateway.imaging import InputSpec, preprocess


def test_what_fits_is_returned_as_it_is(colour):
    assert preprocess(colour, InputSpec(48, 40, 3)) is colour


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [(128, 128), (16, 20), (48, 40), (1, 1), (7, 300)])
def test_the_result_has_the_shape_of_the_input_spec(grey, colour, size, channels):
    for image in (grey[..., np.newaxis], colour):
        found = preprocess(image, InputSpec(*size, channels))
        assert found.shape == (*size, channels)
        assert found.dtype == np.uint8


def test_equal_channels_become_exactly_that_channel(grey):
    assert np.array_equal(preprocess(np.dstack([grey] * 3), InputSpec(48, 40, 1))[..., 0], grey)


def test_grey_fills_three_channels(grey):
    assert np.array_equal(preprocess(grey[..., np.newaxis], InputSpec(48, 40, 3)), np.dstack([grey] * 3))


def test_a_grey_picture_gives_the_same_from_one_channel_and_from_three(grey):
    spec = InputSpec(32, 32, 1)
    assert np.array_equal(preprocess(grey[..., np.newaxis], spec), preprocess(np.dstack([grey] * 3), spec))


def test_resizing_is_pillows_bilinear(colour):
    expected = Image.fromarray(colour).convert("L").resize((20, 16), Image.Resampling.BILINEAR)
    assert np.array_equal(preprocess(colour, InputSpec(16, 20, 1))[..., 0], np.asarray(expected))


@pytest.mark.parametrize("spec", [(0, 4, 1), (4, 0, 1), (4, 4, 2), (-1, 4, 3)])
def test_a_spec_that_no_image_can_have_is_refused(spec):
    with pytest.raises(ValueError, match="channels 1 or 3"):
        InputSpec(*spec)
