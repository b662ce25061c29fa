"""Near-duplicates share a group, and chains of likeness do not swallow the set."""

import io

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from trainer.data import grouping
from trainer.data.grouping import HASH_BITS, near_duplicate_groups, perceptual_hash


def _changed(content: bytes) -> list[np.ndarray]:
    original = Image.open(io.BytesIO(content)).convert("L")
    re_encoded = io.BytesIO()
    original.save(re_encoded, "JPEG", quality=60)
    versions = [
        original,
        Image.open(re_encoded).convert("L"),
        ImageEnhance.Brightness(original).enhance(1.1),
        original.resize((120, 120)),
        Image.fromarray(np.roll(np.asarray(original), 2, axis=1)),
    ]
    return [np.asarray(version)[..., None] for version in versions]


def test_near_copies_share_a_group_and_other_slices_do_not(slice_files: dict[str, bytes]) -> None:
    contents = list(slice_files.values())[:8]
    hashes = np.stack([perceptual_hash(image) for content in contents for image in _changed(content)])

    groups = near_duplicate_groups(hashes).reshape(8, 5)

    assert (groups == groups[:, :1]).all()
    assert len(np.unique(groups[:, 0])) == 8


def test_equal_hashes_share_a_group() -> None:
    one = np.zeros((3, HASH_BITS), np.bool_)

    assert set(near_duplicate_groups(one)) == {0}


@pytest.mark.parametrize(("bits", "groups"), [(10, 1), (11, 2)])
def test_slices_of_up_to_ten_different_bits_share_a_group(bits: int, groups: int) -> None:
    two = np.array([np.zeros(HASH_BITS, np.bool_), np.arange(HASH_BITS) < bits])

    assert set(near_duplicate_groups(two)) == set(range(groups))


def test_a_chain_of_neighbours_is_cut() -> None:
    """Each hash is 4 bits from the next; single linkage would make one group of all."""
    chain = np.array([np.arange(HASH_BITS) < 4 * step for step in range(17)])

    groups = near_duplicate_groups(chain)

    assert len(np.unique(groups)) > 2
    for group in np.unique(groups):
        assert np.ptp(np.flatnonzero(groups == group)) < 8


def test_copies_share_a_group_in_large_sets_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Slices that are alike, though no near-duplicates of each other, and a copy of each that differs in one bit."""
    monkeypatch.setattr(grouping, "_MAX_MATRIX", 16)
    rng = np.random.default_rng(0)
    slices = np.stack([rng.random(HASH_BITS) < np.where(np.arange(HASH_BITS) % 2, 0.8, 0.2) for _ in range(300)])
    copies = slices ^ np.eye(HASH_BITS, dtype=np.bool_)[rng.integers(0, HASH_BITS, len(slices))]

    groups = near_duplicate_groups(np.concatenate([slices, copies, slices])).reshape(3, -1)

    assert (groups == groups[0]).all()
    assert len(np.unique(groups)) > 250
