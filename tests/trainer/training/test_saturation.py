"""The share of a brain that is white."""

import numpy as np
import pytest
from numpy.typing import NDArray

from trainer.training.saturation import saturated_share


def _slice(*tones: float) -> NDArray[np.float32]:
    """Stripes of equal area, the first one of background."""
    return np.repeat(np.array([0, *tones], np.float32), 8)[:, None, None] * np.ones((1, 16, 1), np.float32)


@pytest.mark.parametrize(
    ("tones", "share"),
    [
        ((0.2, 0.5, 0.7, 1.0), 0.25),
        ((0.2, 0.5, 0.98, 1.0), 0.5),  # as JPEG leaves it
        ((0.1, 0.25, 0.35, 0.5), 0.25),  # dimmed afterwards
        ((0.05, 0.5, 0.7, 1.0), 1 / 3),  # of what is no background
        ((1.0, 1.0, 1.0, 1.0), 1.0),
        ((0.0, 0.0, 0.0, 0.0), 0.0),
    ],
)
def test_it_is_of_what_is_no_background(tones: tuple[float, ...], share: float) -> None:
    np.testing.assert_allclose(saturated_share(_slice(*tones)[None]), [share], atol=1e-6)


def test_each_picture_of_a_batch_has_its_own_and_channels_are_one() -> None:
    pictures = np.stack([_slice(0.5, 1.0), _slice(1.0, 1.0)]).repeat(3, axis=-1)

    np.testing.assert_allclose(saturated_share(pictures), [0.5, 1.0], atol=1e-6)
