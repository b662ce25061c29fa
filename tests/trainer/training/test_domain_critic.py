"""The critic tells what it was shown from what it was not."""

import numpy as np
import pytest

from trainer.data.synthetic import synthetic_slice
from trainer.training.domain_critic import build_critic, fit_critic


@pytest.fixture(scope="module")
def slices() -> np.ndarray:
    """uint8 [N, 64, 64, 1]."""
    return np.stack([synthetic_slice(seed, lesion=seed % 2 == 1)[8:232:4, 8:232:4] for seed in range(320)])


def test_slices_it_never_saw_pass_and_other_pictures_do_not(slices: np.ndarray) -> None:
    """Of the few slices and steps of a test: most of them."""
    told: list[tuple[int, int]] = []
    critic = fit_critic(slices, np.arange(256), 1, lambda *done: told.append(done), epochs=12)
    unseen = slices[256:].astype(np.float32) / 255
    noise = np.random.default_rng(0).random((64, 56, 56, 1), np.float32)

    insiders, inverted, strangers = (critic(pictures).numpy()[:, 0] for pictures in (unseen, 1 - unseen, noise))

    limit = np.quantile(insiders, 0.95)
    assert (inverted > limit).mean() > 0.95
    assert (strangers > limit).mean() > 0.95
    assert told == [(done, 12) for done in range(13)]


def test_brightness_is_nothing_to_criticise(slices: np.ndarray) -> None:
    critic = build_critic(slices.shape[1:])
    pictures = slices[:8].astype(np.float32) / 255

    np.testing.assert_allclose(critic(pictures * 0.5), critic(pictures), atol=1e-3)
