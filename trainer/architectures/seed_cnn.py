"""The network of the REST service that this project replaces, unchanged, for comparison."""

from typing import Any

from gateway.imaging import InputSpec
from trainer.architectures.architecture import EMBEDDING, FEATURES, Architecture, Recipe

_L2 = 0.01


def _build(spec: InputSpec) -> Any:
    import keras
    from keras import layers, regularizers

    return keras.Sequential(
        [
            keras.Input((spec.height, spec.width, spec.channels)),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Conv2D(64, 3, activation="relu", name=FEATURES),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dense(128, activation="relu", kernel_regularizer=regularizers.l2(_L2)),
            layers.Dense(64, activation="relu", kernel_regularizer=regularizers.l2(_L2), name=EMBEDDING),
            layers.Dense(2, activation="softmax"),
        ],
        name="seed_cnn",
    )


def _adam(_steps: int) -> Any:
    import keras

    return keras.optimizers.Adam()


ARCHITECTURE = Architecture(
    name="seed_cnn",
    input_spec=InputSpec(height=240, width=240, channels=3),
    build=_build,
    recipe=Recipe(epochs=20, batch_size=32, optimizer=_adam, patience=3),
)
