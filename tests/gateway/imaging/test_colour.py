"""Pictures in colour."""

import numpy as np
import pytest

from gateway.imaging import decode, is_in_colour


def _slice(rng):
    """Grey (240, 240), a third of it brain."""
    y, x = np.mgrid[-1:1:240j, -1:1:240j]
    return np.uint8((np.hypot(x / 0.55, y / 0.75) < 1) * rng.integers(60, 255, (240, 240)))


def _under_a_map(grey):
    """Blue where it is dark, green between, red where it is bright; black stays black."""
    level = grey / 255
    bands = [4 * level - 2, 2 - abs(4 * level - 2), 2 - 4 * level]
    return np.uint8(255 * np.clip(np.stack(bands, axis=-1), 0, 1) * (grey > 0)[..., None])


@pytest.mark.parametrize(("height", "width"), [(16, 16), (40, 240), (240, 240), (2000, 240)])
def test_a_colour_map_is_colour_at_any_size(height, width):
    picture = _under_a_map(_slice(np.random.default_rng(1)))
    rows, columns = (np.linspace(0, 239, side).astype(int) for side in (height, width))
    assert is_in_colour(picture[np.ix_(rows, columns)])


def test_grey_is_no_colour_whatever_the_file(encode):
    grey = _slice(np.random.default_rng(2))
    assert not is_in_colour(grey[..., None])
    assert not is_in_colour(np.dstack([grey] * 3))
    assert not is_in_colour(decode(encode(np.dstack([grey] * 3), "JPEG", quality=30)))


def test_an_arrow_on_a_slice_leaves_it_grey():
    picture = np.dstack([_slice(np.random.default_rng(3))] * 3)
    for at in range(60, 120):
        picture[at : at + 4, at : at + 4] = (255, 255, 0)
    assert not is_in_colour(picture)


def test_a_tint_as_jpeg_may_leave_it_is_no_colour():
    grey = _slice(np.random.default_rng(4))
    assert not is_in_colour(np.dstack([grey, grey, grey - np.minimum(grey, 20)]))
