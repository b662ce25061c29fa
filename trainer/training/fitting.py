"""Fitting of a network's weights, from where the last checkpoint left off."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainer.architectures.architecture import Recipe
from trainer.errors import TrainingDivergedError
from trainer.figures import EpochMetrics
from trainer.jobs.run_directory import CHECKPOINT
from trainer.training.augmentation import augmented
from trainer.training.checkpoint import Checkpoint, best_epoch

OnEpoch = Callable[[int, EpochMetrics], None]
"""Called after each epoch with its number, from 1, and its figures."""


@dataclass(frozen=True, slots=True)
class Material:
    """What a network is fitted to.

    Attributes:
      images: uint8 [N, H, W, C], as the network takes them.
      labels: int64 (N,).
      train_rows: int (T,), rows to fit.
      validation_rows: int (V,), rows to steer by.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    train_rows: NDArray[np.intp]
    validation_rows: NDArray[np.intp]


def fit(
    network: Any, recipe: Recipe, material: Material, epochs: int, seed: int, run_dir: Path, on_epoch: OnEpoch
) -> tuple[list[EpochMetrics], int]:
    """Fits a network that was just built, or goes on with a training of the same run directory.

    Args:
      network: has the fitted weights afterwards.
      recipe: how to fit.
      material: what to fit to.
      epochs: at most.
      seed: of what comes after a resumption: its epochs are others than those that were done.
      run_dir: gets checkpoint/ and tensorboard/.
      on_epoch: progress.

    Returns:
      The figures of every epoch, and the index of the one whose weights were kept.

    Raises:
      TrainingDivergedError: the loss is no longer a number.
    """
    import keras

    checkpoint = Checkpoint(run_dir / CHECKPOINT)
    _compile(network, recipe, steps=epochs * -(-len(material.train_rows) // recipe.batch_size))
    history = checkpoint.restore(network)
    if history:
        keras.utils.set_random_seed((seed + len(history)) % 2**32)

    def record(epoch: int, logs: dict[str, float]) -> None:
        metrics = _metrics(epoch, logs)
        history.append(metrics)
        checkpoint.save(network, history)
        on_epoch(epoch + 1, metrics)
        network.stop_training = _has_enough(history, recipe)

    if not _has_enough(history, recipe):
        network.fit(
            _batches(material, material.train_rows, recipe, shuffled=True),
            validation_data=_batches(material, material.validation_rows, recipe, shuffled=False),
            initial_epoch=len(history),
            epochs=epochs,
            callbacks=_callbacks(run_dir, record),
            verbose=0,
            shuffle=False,
        )
    if recipe.patience is None:
        return history, len(history) - 1
    checkpoint.restore_best(network, history)
    return history, best_epoch(history)


def _compile(network: Any, recipe: Recipe, steps: int) -> None:
    import keras

    network.compile(
        optimizer=recipe.optimizer(steps),
        loss=keras.losses.CategoricalCrossentropy(label_smoothing=recipe.label_smoothing),
        metrics=[keras.metrics.CategoricalAccuracy(name="accuracy")],
    )
    # What an optimizer or metric keeps would be made within the first step else, which has it traced twice.
    network.optimizer.build(network.trainable_variables)


def _callbacks(run_dir: Path, record: Callable[[int, dict[str, float]], None]) -> list[Any]:
    import keras

    return [
        keras.callbacks.TensorBoard(str(run_dir / "tensorboard"), write_graph=False),
        keras.callbacks.TerminateOnNaN(),
        keras.callbacks.LambdaCallback(on_epoch_end=record),
    ]


def _metrics(epoch: int, logs: dict[str, float]) -> EpochMetrics:
    metrics = EpochMetrics(**{name: float(logs[name]) for name in EpochMetrics.__slots__})
    if not (math.isfinite(metrics.loss) and math.isfinite(metrics.val_loss)):
        raise TrainingDivergedError(f"the loss is no number in epoch {epoch + 1}; look at the labels and images")
    return metrics


def _has_enough(history: list[EpochMetrics], recipe: Recipe) -> bool:
    """Tells whether patience has run out."""
    if recipe.patience is None or not history:
        return False
    return len(history) - 1 - best_epoch(history) >= recipe.patience


def _batches(material: Material, rows: NDArray[np.intp], recipe: Recipe, shuffled: bool) -> Any:
    import tensorflow as tf

    images, labels = material.images, material.labels

    def gathered(index: Any) -> Any:
        pixels = tf.numpy_function(lambda at: images[at], [index], tf.uint8, stateful=False)
        scaled = tf.cast(tf.ensure_shape(pixels, (None, *images.shape[1:])), tf.float32) / 255.0
        return scaled, tf.one_hot(tf.gather(labels, index), 2)

    data = tf.data.Dataset.from_tensor_slices(rows)
    if shuffled:
        data = data.shuffle(len(rows))
    data = data.batch(recipe.batch_size).map(gathered, num_parallel_calls=tf.data.AUTOTUNE)
    if shuffled and recipe.augmented:
        # One at a time: threads that take turns as they like would draw other changes in each training of a seed.
        data = data.map(lambda pixels, truth: (augmented(pixels), truth))
    return data.prefetch(tf.data.AUTOTUNE)
