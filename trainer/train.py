"""Fitting of an architecture on the training split, up to a calibrated SavedModel."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gateway.imaging import InputSpec, preprocess
from trainer.architectures import Architecture
from trainer.calibration import Outputs, calibrate
from trainer.dataset import Split
from trainer.servable import export
from trainer.split import held_out_rows

VALIDATION_SHARE = 0.12
"""Of the training split's groups; they steer early stopping and calibration."""


@dataclass(frozen=True, slots=True)
class EpochMetrics:
    """Figures of one epoch."""

    loss: float
    accuracy: float
    val_loss: float
    val_accuracy: float


@dataclass(frozen=True, slots=True)
class Training:
    """Record of one training.

    Attributes:
      history: one entry per epoch.
      kept_epoch: index into history of the epoch whose weights were kept.
      temperature: that calibration found.
      threshold: of the verdict.
    """

    architecture: str
    seed: int
    fingerprint: str
    train_slices: int
    validation_slices: int
    parameters: int
    history: list[EpochMetrics]
    kept_epoch: int
    temperature: float
    threshold: float


OnEpoch = Callable[[int, EpochMetrics], None]
"""Called after each epoch with its number, from 1, and its figures."""


def train(
    split: Split, architecture: Architecture, epochs: int, seed: int, run_dir: Path, on_epoch: OnEpoch
) -> Training:
    """Fits, calibrates and exports.

    Args:
      split: the training split; VALIDATION_SHARE of its groups is held out of the fitting.
      architecture: what to fit.
      epochs: at most; 0 is the recipe's own.
      seed: of validation split, initial weights and augmentation.
      run_dir: gets candidate/ (a SavedModel) and tensorboard/.
      on_epoch: progress.
    """
    import keras

    keras.utils.set_random_seed(seed)
    run_dir.mkdir(parents=True, exist_ok=True)
    images = _preprocessed(split.images, architecture.input_spec, run_dir / "pixels.npy")
    held_out = held_out_rows(split.groups, split.labels, VALIDATION_SHARE, seed)
    train_rows, validation_rows = np.flatnonzero(~held_out), np.flatnonzero(held_out)
    network = architecture.build(architecture.input_spec)
    history, kept_epoch = _fit(
        network, architecture, images, split.labels, (train_rows, validation_rows), epochs, run_dir, on_epoch
    )
    calibration = calibrate(
        _outputs(network, images, split.labels, train_rows), _outputs(network, images, split.labels, validation_rows)
    )
    export(network, calibration, architecture.input_spec, run_dir / "candidate")
    training = Training(
        architecture=architecture.name,
        seed=seed,
        fingerprint=split.fingerprint,
        train_slices=len(train_rows),
        validation_slices=len(validation_rows),
        parameters=network.count_params(),
        history=history,
        kept_epoch=kept_epoch,
        temperature=calibration.temperature,
        threshold=calibration.threshold,
    )
    (run_dir / "pixels.npy").unlink()
    return training


def _preprocessed(images: NDArray[np.uint8], spec: InputSpec, path: Path) -> NDArray[np.uint8]:
    """Makes of stored slices what the gateway makes of a caller's; mapped from disk."""
    shape = (len(images), spec.height, spec.width, spec.channels)
    made = np.lib.format.open_memmap(path, "w+", np.uint8, shape)
    for row, image in enumerate(images):
        made[row] = preprocess(np.asarray(image), spec)
    return made


def _fit(
    network: Any,
    architecture: Architecture,
    images: NDArray[np.uint8],
    labels: NDArray[np.int64],
    rows: tuple[NDArray[np.intp], NDArray[np.intp]],
    epochs: int,
    run_dir: Path,
    on_epoch: OnEpoch,
) -> tuple[list[EpochMetrics], int]:
    import keras

    recipe = architecture.recipe
    epochs = epochs or recipe.epochs
    batches = [
        _batches(images, labels, side, recipe, shuffled) for side, shuffled in zip(rows, (True, False), strict=True)
    ]
    network.compile(
        optimizer=recipe.optimizer(epochs * -(-len(rows[0]) // recipe.batch_size)),
        loss=keras.losses.CategoricalCrossentropy(label_smoothing=recipe.label_smoothing),
        metrics=["accuracy"],
    )
    history: list[EpochMetrics] = []

    def record(epoch: int, logs: dict[str, float]) -> None:
        history.append(EpochMetrics(**{name: float(logs[name]) for name in EpochMetrics.__slots__}))
        on_epoch(epoch + 1, history[-1])

    callbacks: list[Any] = [
        keras.callbacks.LambdaCallback(on_epoch_end=record),
        keras.callbacks.TensorBoard(str(run_dir / "tensorboard"), write_graph=False),
        keras.callbacks.TerminateOnNaN(),
    ]
    if recipe.patience is not None:
        callbacks.append(keras.callbacks.EarlyStopping(patience=recipe.patience, restore_best_weights=True))
    network.fit(batches[0], validation_data=batches[1], epochs=epochs, callbacks=callbacks, verbose=0, shuffle=False)
    losses = [metrics.val_loss for metrics in history]
    return history, int(np.argmin(losses)) if recipe.patience is not None else len(history) - 1


def _batches(
    images: NDArray[np.uint8], labels: NDArray[np.int64], rows: NDArray[np.intp], recipe: Any, shuffled: bool
) -> Any:
    import tensorflow as tf

    from trainer.augmentation import augmented

    def gathered(index: Any) -> Any:
        pixels = tf.numpy_function(lambda at: images[at], [index], tf.uint8, stateful=False)
        scaled = tf.cast(tf.ensure_shape(pixels, (None, *images.shape[1:])), tf.float32) / 255.0
        return scaled, tf.one_hot(tf.gather(labels, index), 2)

    data = tf.data.Dataset.from_tensor_slices(rows)
    if shuffled:
        data = data.shuffle(len(rows))
    data = data.batch(recipe.batch_size).map(gathered, num_parallel_calls=tf.data.AUTOTUNE)
    if shuffled and recipe.augmented:
        data = data.map(lambda pixels, truth: (augmented(pixels), truth), num_parallel_calls=tf.data.AUTOTUNE)
    return data.prefetch(tf.data.AUTOTUNE)


def _outputs(network: Any, images: NDArray[np.uint8], labels: NDArray[np.int64], rows: NDArray[np.intp]) -> Outputs:
    import keras

    from trainer.architectures.architecture import EMBEDDING

    both = keras.Model(network.input, [network.get_layer(EMBEDDING).output, network.output])
    parts = [
        both(images[rows[at : at + 64]].astype(np.float32) / 255.0, training=False) for at in range(0, len(rows), 64)
    ]
    embeddings, probabilities = (np.concatenate([np.asarray(part[side]) for part in parts]) for side in (0, 1))
    return Outputs(probabilities, embeddings, labels[rows])
