"""Every architecture keeps the contract; seed_cnn is the original."""

from pathlib import Path

import numpy as np
import pytest

from gateway.imaging import InputSpec, preprocess
from trainer.architectures import ARCHITECTURES, DEFAULT_ARCHITECTURE, architecture_named
from trainer.architectures.architecture import EMBEDDING, FEATURES
from trainer.data.synthetic import synthetic_slice
from trainer.errors import UnknownArchitectureError
from trainer.evaluate import Candidate
from trainer.training.calibration import Calibration
from trainer.training.domain_critic import build_critic
from trainer.training.servable import export


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_architecture_gives_probabilities_maps_and_embeddings(name: str) -> None:
    architecture = architecture_named(name)
    network = architecture.build(InputSpec(32, 32, architecture.input_spec.channels))

    probabilities = network(np.random.default_rng(0).random((3, *network.input_shape[1:]), np.float32)).numpy()

    assert architecture.name == name
    assert probabilities.shape == (3, 2)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    assert len(network.get_layer(FEATURES).output.shape) == 4
    assert len(network.get_layer(EMBEDDING).output.shape) == 2


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_architecture_can_be_exported_and_explained(name: str, tmp_path: Path) -> None:
    architecture = architecture_named(name)
    spec = InputSpec(32, 32, architecture.input_spec.channels)
    network = architecture.build(spec)
    size = network.get_layer(EMBEDDING).output.shape[-1]
    open_sets, means, precision = (
        np.ones(2, np.float32),
        np.zeros((2, size), np.float32),
        np.eye(size, dtype=np.float32),
    )
    images = np.random.default_rng(0).integers(0, 256, (3, 32, 32, spec.channels), np.uint8)

    critic = build_critic(network.input_shape[1:])
    export(network, critic, Calibration(1.0, 0.5, open_sets, means, precision, 50.0, 1.0), spec, tmp_path / "version")
    candidate = Candidate(tmp_path / "version")

    expected = network(images.astype(np.float32) / 255.0).numpy()
    outputs = candidate.predict(images)
    np.testing.assert_allclose(outputs["probabilities"], expected, atol=1e-5)
    criticism = np.log1p(np.exp(critic(images.astype(np.float32) / 255.0).numpy()[:, 0])) / np.log1p(np.exp(50.0))
    assert (outputs["ood_score"] >= criticism - 1e-5).all()
    explained = candidate.predict(images, "explain")
    np.testing.assert_allclose(explained["probabilities"], expected, atol=1e-5)
    assert explained["heatmap"].shape[0] == 3
    assert 0 <= explained["heatmap"].min() <= explained["heatmap"].max() <= 1


def test_the_empty_name_is_the_default_and_others_are_refused() -> None:
    assert architecture_named("").name == DEFAULT_ARCHITECTURE
    with pytest.raises(UnknownArchitectureError, match="residual_cnn, seed_cnn"):
        architecture_named("transformer")


def test_seed_cnn_is_the_original_network() -> None:
    seed_cnn = ARCHITECTURES["seed_cnn"]
    network = seed_cnn.build(seed_cnn.input_spec)

    assert [type(layer).__name__ for layer in network.layers] == [
        "Conv2D", "MaxPooling2D", "Conv2D", "MaxPooling2D", "Flatten", "Dense", "Dense", "Dense",
    ]  # fmt: skip
    assert network.input_shape == (None, 240, 240, 3)
    assert network.count_params() == 896 + 18_496 + (58 * 58 * 64 * 128 + 128) + 8_256 + 130
    assert [layer.kernel_regularizer.l2 for layer in network.layers[5:7]] == [pytest.approx(0.01)] * 2
    assert (seed_cnn.recipe.epochs, seed_cnn.recipe.batch_size, seed_cnn.recipe.patience) == (20, 32, 3)


def test_brightness_and_contrast_do_not_reach_the_default() -> None:
    """The file may be darker, flatter, or grey where it was black."""
    default = architecture_named("")
    network = default.build(default.input_spec)
    slices = [preprocess(synthetic_slice(seed), default.input_spec) for seed in range(2)]
    pixels = np.stack(slices).astype(np.float32) / 255.0

    np.testing.assert_allclose(network(0.3 + 0.4 * pixels), network(pixels), atol=1e-4)


def test_the_default_costs_what_its_docstring_says() -> None:
    default = architecture_named("")

    assert default.build(default.input_spec).count_params() < 500_000
