"""A network that has seen the world before it sees a slice: the first half of EfficientNet-Lite0, fitted to ImageNet.

What tells pictures of one kind from all others is more than any trainer could show by itself. README.md beside this
file says where the weights come from.
Source: Tan and Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks" (2019), in its "Lite"
form: no squeeze-and-excitation, ReLU6 for swish.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

ORIGIN = (
    "EfficientNet-Lite0, fitted to ImageNet by Google, Apache License 2.0: the domain critic begins with its first half"
)
"""What a model card says of the weights."""

WEIGHTS = Path(__file__).with_name("efficientnet_lite0.h5")
"""HDF5, with arrays by "layer/weight", as Keras lays them out; convolutions in half precision."""

STAGES = ((1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80))
"""Blocks, kernel, stride of the first block, expansion, channels. Three more stages, with nine tenths of all weights,
are left out."""

_STEM_CHANNELS = 32


def pretrained_trunk(channels: int) -> Any:
    """Builds the trunk with its weights.

    Args:
      channels: of the pictures, 1 or 3.

    Returns:
      A keras.Model from float32 [N, H, W, channels], about [-1, 1], to maps float32 [N, H/16, W/16, 80].
    """
    import h5py
    import keras
    from keras import layers

    pictures = keras.Input((None, None, channels))
    maps = layers.Conv2D(_STEM_CHANNELS, 3, strides=2, padding="same", use_bias=False, name="stem")(pictures)
    maps = _normalized(maps, "stem_norm")
    number = 0
    for blocks, kernel, first_stride, expansion, out in STAGES:
        for stride in (first_stride, *(1,) * (blocks - 1)):
            maps = _block(maps, f"block{number}", kernel, stride, expansion, out)
            number += 1
    trunk = keras.Model(pictures, maps, name="efficientnet_lite0")
    with h5py.File(WEIGHTS) as stored:
        _load(trunk, stored)
    return trunk


def _block(maps: Any, name: str, kernel: int, stride: int, expansion: int, out: int) -> Any:
    """An inverted residual: few channels, many of them inside, few again."""
    from keras import layers

    inner, given = maps, maps.shape[-1]
    if expansion > 1:
        inner = layers.Conv2D(given * expansion, 1, use_bias=False, name=f"{name}_expand")(inner)
        inner = _normalized(inner, f"{name}_expand_norm")
    inner = layers.DepthwiseConv2D(kernel, strides=stride, padding="same", use_bias=False, name=f"{name}_depthwise")(
        inner
    )
    inner = _normalized(inner, f"{name}_depthwise_norm")
    inner = layers.Conv2D(out, 1, use_bias=False, name=f"{name}_project")(inner)
    inner = _normalized(inner, f"{name}_project_norm", activated=False)
    return layers.Add()([inner, maps]) if stride == 1 and given == out else inner


def _normalized(maps: Any, name: str, activated: bool = True) -> Any:
    from keras import layers

    maps = layers.BatchNormalization(momentum=0.95, epsilon=1e-3, name=name)(maps)
    return layers.ReLU(max_value=6.0)(maps) if activated else maps


def _load(trunk: Any, stored: Mapping[str, Any]) -> None:
    for layer in trunk.layers:
        if layer.weights:
            layer.set_weights([_fitting(stored[f"{layer.name}/{weight.name}"][:], weight) for weight in layer.weights])


def _fitting(values: NDArray[Any], weight: Any) -> NDArray[np.float32]:
    """A grey picture is one whose three channels are equal, so that the stem may add up their kernels."""
    values = values.astype(np.float32)
    return values if values.shape == tuple(weight.shape) else values.sum(axis=2, keepdims=True)
