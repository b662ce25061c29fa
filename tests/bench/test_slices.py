"""Images that the bench sends."""

import numpy as np

from bench.slices import COUNT, read_slices, written_slices
from gateway.imaging import decode


def test_slices_are_as_the_real_ones_and_always_the_same():
    """240x240 RGB JPEG of about 4.7 kB."""
    with written_slices() as one, written_slices() as other:
        slices = read_slices(one)
        assert slices == read_slices(other)
    assert len({*slices}) == COUNT
    assert {decode(data).shape for data in slices} == {(240, 240, 3)}
    assert 4000 < np.mean([len(data) for data in slices]) < 5500
