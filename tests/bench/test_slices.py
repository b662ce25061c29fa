"""Images that the bench sends."""

import numpy as np

from bench.slices import COUNT, read_slices, write_slices
from gateway.imaging import decode


def test_slices_are_as_the_real_ones_and_always_the_same(tmp_path):
    """240x240 RGB JPEG of about 4.7 kB."""
    one, other = tmp_path / "one", tmp_path / "other"
    one.mkdir()
    other.mkdir()
    write_slices(one)
    write_slices(other)
    slices = read_slices(one)
    assert slices == read_slices(other)
    assert len({*slices}) == COUNT
    assert {decode(data).shape for data in slices} == {(240, 240, 3)}
    assert 4000 < np.mean([len(data) for data in slices]) < 5500
