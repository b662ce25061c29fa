"""The twin says the same and has the same gradients; its operations are ones that other engines know."""

import numpy as np
import pytest

from gateway.imaging import InputSpec
from trainer.architectures import architecture_named
from trainer.training.backward import with_plain_gradients

_FOREIGN = {"ReluGrad", "BroadcastGradientArgs", "FusedBatchNormGradV3"}


@pytest.fixture(scope="module")
def network() -> object:
    import keras

    keras.utils.set_random_seed(1)
    network = architecture_named("").build(InputSpec(32, 32, 1))
    network(np.random.default_rng(0).random((8, 32, 32, 1), np.float32), training=True)  # statistics of its own
    return network


def _gradient(model: object) -> np.ndarray:
    import tensorflow as tf

    assert callable(model)
    images = tf.constant(np.random.default_rng(1).random((4, 32, 32, 1), np.float32))
    with tf.GradientTape() as tape:
        tape.watch(images)
        tumor = model(images, training=False)[:, 1]
    return np.asarray(tape.gradient(tumor, images))


def test_answers_and_gradients_stay_the_same(network: object) -> None:
    assert callable(network)
    twin = with_plain_gradients(network)
    images = np.random.default_rng(1).random((4, 32, 32, 1), np.float32)

    np.testing.assert_allclose(twin(images), network(images, training=False), atol=1e-6)
    # But for what little is within the ramp.
    assert np.corrcoef(_gradient(twin).ravel(), _gradient(network).ravel())[0, 1] > 0.99


def test_no_gradient_needs_an_operation_of_tensorflows_own(network: object) -> None:
    import keras
    import tensorflow as tf

    from trainer.architectures.architecture import EMBEDDING, FEATURES

    assert isinstance(network, keras.Model)
    features, embedding = (network.get_layer(name).output for name in (FEATURES, EMBEDDING))
    neck = with_plain_gradients(keras.Model(features, embedding))

    def backward(maps: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            tape.watch(maps)
            out = tf.matmul(neck(maps, training=False), tf.ones((embedding.shape[-1], 1)))
        return tape.gradient(out, maps)

    graph = tf.function(backward).get_concrete_function(tf.TensorSpec((None, *features.shape[1:]))).graph
    used = {operation.type for operation in graph.get_operations()}

    assert "Conv2DBackpropInput" in used
    assert used & _FOREIGN == set()
