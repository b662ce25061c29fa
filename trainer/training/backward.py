"""A network's layers again, with gradients of plain operations.

TensorFlow's own gradients of ReLU and of broadcasts are operations that only TensorFlow knows; an engine that
converts the graph, as OpenVINO does, has to leave the whole version to it for their sake.
"""

from collections.abc import Callable
from typing import Any

_RAMP = 1e-3
"""Over this range above 0 the gradient of ReLU rises from 0 to 1. With a step, an input that is all but 0 would have
one gradient on one engine and another on the next."""


def with_plain_gradients(model: Any) -> Any:
    """Returns a model that computes the same with the same variables, for inference only.

    Args:
      model: a functional keras.Model.
    """
    import keras

    plain = _plain_layers()
    return keras.models.clone_model(model, clone_function=lambda layer: plain.get(type(layer), lambda it: it)(layer))


def _plain_layers() -> dict[type[Any], Callable[[Any], Any]]:
    """Maps a kind of layer to what makes its twin."""
    import tensorflow as tf
    from keras import layers

    @tf.custom_gradient  # type: ignore[untyped-decorator]  # TensorFlow has no types
    def relu(x: Any) -> Any:
        return tf.nn.relu(x), lambda gradient: gradient * tf.clip_by_value(x / _RAMP, 0.0, 1.0)

    @tf.custom_gradient  # type: ignore[untyped-decorator]  # the same
    def add(x: Any, y: Any) -> Any:
        return x + y, lambda gradient: (gradient, gradient)

    class Activation(layers.Layer):  # type: ignore[misc]  # keras has no types
        def call(self, maps: Any) -> Any:
            return relu(maps)

    class Sum(layers.Layer):  # type: ignore[misc]  # the same
        def call(self, maps: Any) -> Any:
            return add(*maps)

    return {
        layers.ReLU: lambda _: Activation(),
        layers.Add: lambda _: Sum(),
        layers.BatchNormalization: _normalization(),
    }


def _normalization() -> type[Any]:
    import tensorflow as tf
    from keras import layers

    class Normalization(layers.Layer):  # type: ignore[misc]  # keras has no types
        def __init__(self, original: Any) -> None:
            super().__init__()
            self._original = original

        def call(self, maps: Any, mask: Any = None) -> Any:
            del mask
            of = self._original
            scale = of.gamma * tf.math.rsqrt(of.moving_variance + of.epsilon)
            shift = of.beta - of.moving_mean * scale

            @tf.custom_gradient  # type: ignore[untyped-decorator]  # nor has TensorFlow
            def affine(x: Any) -> Any:
                return x * scale + shift, lambda gradient: gradient * scale

            return affine(maps)

    return Normalization
