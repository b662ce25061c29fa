"""The trunk is the network that its weights belong to."""

import numpy as np
import pytest

from trainer.pretrained.trunk import STAGES, pretrained_trunk


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    """float32 [4, 64, 64, 1] in [-1, 1]."""
    ramp = np.linspace(-1, 1, 64, dtype=np.float32)
    y, x = np.meshgrid(ramp, ramp, indexing="ij")
    return np.stack([y, x, np.sin(12 * x), np.sign(y * x)])[..., None]


def test_a_picture_of_three_equal_channels_is_a_grey_one(pictures: np.ndarray) -> None:
    grey = pretrained_trunk(1)(pictures).numpy()
    assert grey.shape == (4, 4, 4, STAGES[-1][-1])
    np.testing.assert_allclose(pretrained_trunk(3)(np.repeat(pictures, 3, axis=3)), grey, atol=1e-3)


def test_statistics_of_each_layer_are_those_of_pictures(pictures: np.ndarray) -> None:
    """Weights that were mixed up would still run; but what they make would not be what the next layer is used to."""
    import keras

    trunk = pretrained_trunk(1)
    norms = [layer for layer in trunk.layers if isinstance(layer, keras.layers.BatchNormalization)]
    given = keras.Model(trunk.inputs[0], [norm.input for norm in norms])(pictures)
    for norm, maps in zip(norms, given, strict=True):
        deviation = maps.numpy().std(axis=(0, 1, 2)) / np.sqrt(norm.moving_variance.numpy() + norm.epsilon)
        assert 0.2 < np.median(deviation) < 5, norm.name
