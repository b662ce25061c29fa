"""The default: a small residual network on 128x128 grey slices.

Half a million parameters and 75 million multiply-adds a slice. Three stages halve the picture
and double the channels, each followed by one residual block (He et al., "Deep Residual Learning
for Image Recognition", 2016); averaging over the last maps replaces the dense layers that hold
nearly all of seed_cnn's parameters. Each picture is first scaled by its own deviation, so that brightness
and contrast of the file do not reach the verdict.
"""

from typing import Any

from gateway.imaging import InputSpec
from trainer.architectures.architecture import EMBEDDING, FEATURES, Architecture, Recipe, standardized

_STEM_CHANNELS = 24
_STAGE_CHANNELS = (32, 64, 128)
_DROPOUT = 0.3
_PEAK_LEARNING_RATE = 2e-3
_WEIGHT_DECAY = 0.02


def _build(spec: InputSpec) -> Any:
    import keras
    from keras import layers

    images = keras.Input((spec.height, spec.width, spec.channels))
    maps = _convolution(standardized(images), _STEM_CHANNELS, stride=2)
    for stage, channels in enumerate(_STAGE_CHANNELS):
        maps = _convolution(maps, channels, stride=2)
        if stage == 0:
            # The later the maps, the coarser: those of the last stage point beside three lesions of four.
            maps = layers.Activation("linear", name=FEATURES)(maps)
        maps = _residual(maps, channels)
    embedding = layers.GlobalAveragePooling2D(name=EMBEDDING)(maps)
    probabilities = layers.Dense(2, activation="softmax")(layers.Dropout(_DROPOUT)(embedding))
    return keras.Model(images, probabilities, name="residual_cnn")


def _residual(maps: Any, channels: int) -> Any:
    from keras import layers

    inner = _convolution(maps, channels)
    inner = _convolution(inner, channels, activated=False)
    return layers.ReLU()(layers.Add()([maps, inner]))


def _convolution(maps: Any, channels: int, stride: int = 1, activated: bool = True) -> Any:
    from keras import layers

    maps = layers.Conv2D(channels, 3, strides=stride, padding="same", use_bias=False)(maps)
    maps = layers.BatchNormalization(momentum=0.95)(maps)
    return layers.ReLU()(maps) if activated else maps


def _adamw(steps: int) -> Any:
    import keras

    warm_up = max(1, steps // 20)
    schedule = keras.optimizers.schedules.CosineDecay(
        _PEAK_LEARNING_RATE / 20, max(1, steps - warm_up), warmup_target=_PEAK_LEARNING_RATE, warmup_steps=warm_up
    )
    return keras.optimizers.AdamW(schedule, weight_decay=_WEIGHT_DECAY)


ARCHITECTURE = Architecture(
    name="residual_cnn",
    input_spec=InputSpec(height=128, width=128, channels=1),
    build=_build,
    recipe=Recipe(epochs=60, batch_size=32, optimizer=_adamw, label_smoothing=0.05, augmented=True),
)
