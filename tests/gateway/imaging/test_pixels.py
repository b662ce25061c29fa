"""Scaling of deep pixels to eight bits."""

import numpy as np
import pytest

from gateway.imaging.pixels import scale_by_depth, scale_by_range


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_the_largest_value_of_a_depth_is_white(bits):
    top = 2**bits - 1
    values = np.array([[0, top // 2, top]], np.uint16)
    assert scale_by_depth(values)[..., 0].tolist() == [[0, round(top // 2 * 255 / top), 255]]


@pytest.mark.parametrize(("brightest", "top"), [(256, 1023), (1024, 4095), (4096, 16383), (16384, 65535)])
def test_one_above_a_depth_is_scaled_by_the_next(brightest, top):
    assert scale_by_depth(np.array([[0, brightest]], np.uint16))[0, 1, 0] == round(brightest * 255 / top)


def test_every_full_range_value_is_rounded_right():
    values = np.arange(65536, dtype=np.uint16)[np.newaxis]
    assert np.array_equal(scale_by_depth(values)[0, :, 0], np.rint(values[0] * (255 / 65535)))


def test_multiples_of_257_come_back_exactly():
    levels = np.arange(256, dtype=np.uint16)[np.newaxis]
    assert np.array_equal(scale_by_depth(levels * 257)[..., 0], levels)


@pytest.mark.parametrize("values", [[-5, 0, 5], [-(2**31), 0, 2**31 - 1]])
def test_a_range_is_black_to_white(values):
    assert scale_by_range(np.array([values], np.int32))[..., 0].tolist() == [[0, 128, 255]]


def test_equal_values_are_all_black():
    assert not scale_by_range(np.full((2, 3), 7, np.float32)).any()
