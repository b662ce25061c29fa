"""A small network that tells slices of the training domain from all other pictures.

The classifier's own embedding is blind to much that its task never asked about: a slice upside down, a skull.
The critic is fitted to just that difference, on training slices against `outliers` made of them. It begins with what a
network has learned from a million photographs, since no outliers of ours are as many in kind.
Source: Hendrycks et al., "Deep Anomaly Detection with Outlier Exposure" (2019), and "Using Pre-Training Can Improve
Model Robustness and Uncertainty" (2019).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainer.architectures.architecture import standardized
from trainer.pretrained.trunk import pretrained_trunk
from trainer.progress_bar import OnProgress
from trainer.training.augmentation import augmented
from trainer.training.outliers import outlier

EPOCHS = 20
"""Of a critic, unless fewer are asked for."""
_BATCH = 32
_SIDE = 64
"""Pictures are pooled to about this height and width, in pixels."""
_TONED = 0.4
"""Share of pictures that are shown in other tones."""
_SHARPNESS = 0.6
"""Largest share by which a picture differs from the mean of its neighbouring pixels more than before, or less."""
_LEARNING_RATE = 1e-3
_WEIGHT_DECAY = 0.01


def fit_critic(
    images: NDArray[np.uint8], rows: NDArray[np.intp], seed: int, on_progress: OnProgress, epochs: int = EPOCHS
) -> Any:
    """Fits a critic to slices of the training domain.

    Args:
      images: uint8 [N, H, W, C], as the classifier takes them.
      rows: int (T,), those to fit.
      seed: of weights, order and outliers.
      on_progress: progress.
      epochs: how often as many slices are shown as there are.

    Returns:
      A keras.Model from float32 [N, H, W, C] in [0, 1] to logits float32 [N, 1], positive for outsiders.
    """
    import keras
    import tensorflow as tf

    steps_of_epoch = -(-len(rows) // _BATCH)
    rng = np.random.default_rng(seed)
    critic = build_critic(images.shape[1:])
    schedule = keras.optimizers.schedules.CosineDecay(_LEARNING_RATE, epochs * steps_of_epoch)
    optimizer = keras.optimizers.AdamW(schedule, weight_decay=_WEIGHT_DECAY)
    optimizer.build(critic.trainable_variables)  # else within the first step, which has it traced twice
    truth = tf.repeat(tf.constant([[0.0], [1.0]]), _BATCH, axis=0)

    @tf.function  # type: ignore[untyped-decorator]  # TensorFlow has no types
    def step(insiders: Any, outsiders: Any) -> None:
        # Both alike, so that neither is told by it.
        pictures = _sharpened(augmented(tf.concat([insiders, outsiders], axis=0)))
        with tf.GradientTape() as tape:
            logits = critic(pictures, training=True)
            loss = tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(truth, logits))
        optimizer.apply_gradients(
            zip(tape.gradient(loss, critic.trainable_variables), critic.trainable_variables, strict=True)
        )

    on_progress(0, epochs)
    for epoch in range(epochs):
        for _ in range(steps_of_epoch):
            insiders, outsiders = _slices(images, rows, rng), _outliers(images, rows, rng)
            step(_toned(insiders, rng, in_order=True), _toned(outsiders, rng, in_order=False))
        on_progress(epoch + 1, epochs)
    return critic


def build_critic(shape: tuple[int, ...]) -> Any:
    """Returns a critic that knows no slices yet, for pictures of a shape (H, W, C)."""
    import keras
    from keras import layers

    pictures = keras.Input(shape)
    small = standardized(layers.AveragePooling2D(max(1, shape[0] // _SIDE))(pictures))
    maps = pretrained_trunk(shape[2])(small - 1.0)  # most of a slice is about 0 then, as most of a photograph is
    vector = layers.Dropout(0.3)(layers.Flatten()(maps))
    logits = layers.Dense(1)(layers.Dense(24, activation="relu")(vector))
    return keras.Model(pictures, logits, name="domain_critic")


def _slices(images: NDArray[np.uint8], rows: NDArray[np.intp], rng: np.random.Generator) -> NDArray[np.float32]:
    return np.asarray(images[np.sort(rng.choice(rows, _BATCH))] / 255, np.float32)


def _outliers(images: NDArray[np.uint8], rows: NDArray[np.intp], rng: np.random.Generator) -> NDArray[np.float32]:
    made = [outlier(slice_.mean(axis=-1), rng) for slice_ in _slices(images, rows, rng)]
    return np.repeat(np.stack(made)[..., None], images.shape[3], axis=3)


def _toned(pictures: NDArray[np.float32], rng: np.random.Generator, *, in_order: bool) -> NDArray[np.float32]:
    """Gives pictures other tones in place: in the order of before, as windows and scanners do, or in any."""
    for picture in pictures:
        if rng.random() < _TONED:
            tones = rng.uniform(0.1, 1, 4)
            tones = np.append(0, np.sort(tones) if in_order else tones)  # black stays black
            picture[:] = np.interp(picture, np.linspace(0, picture.max(), len(tones)), tones)
    return pictures


def _sharpened(pictures: Any) -> Any:
    """Sharpens or softens each picture of a batch by itself, as what has brought it to its size does."""
    import tensorflow as tf

    soft = tf.nn.avg_pool2d(pictures, 3, 1, "SAME")
    strength = tf.random.uniform([tf.shape(pictures)[0], 1, 1, 1], -_SHARPNESS, _SHARPNESS)
    return tf.clip_by_value(pictures + strength * (pictures - soft), 0.0, 1.0)
