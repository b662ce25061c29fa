"""Fitting of an architecture on the training split, up to a calibrated SavedModel."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gateway.imaging import InputSpec, preprocess
from trainer.architectures import Architecture
from trainer.architectures.architecture import EMBEDDING
from trainer.data.known_slices import TRAIN_HASHES, write_hashes
from trainer.data.npz import allocate_pixels
from trainer.data.split import validation_rows
from trainer.dataset import Split
from trainer.durable import sync_tree
from trainer.figures import EpochMetrics
from trainer.jobs.run_directory import CANDIDATE
from trainer.progress_bar import OnProgress
from trainer.training.calibration import NetworkOutputs, calibrate
from trainer.training.domain_critic import EPOCHS, fit_critic
from trainer.training.fitting import Material, OnEpoch, fit
from trainer.training.kept_network import KeptNetwork
from trainer.training.saturation import saturated_share
from trainer.training.servable import export


@dataclass(frozen=True, slots=True)
class Training:
    """Record of one training.

    Attributes:
      history: one entry per epoch; of a network that was kept, the figures of its kept epoch alone.
      kept_epoch: index into history of the epoch whose weights were kept.
      temperature: that calibration found.
      threshold: of the verdict.
      conformal: largest 1 - P(class) at which no tumor and tumor stay open.
      saturation_limit: share of a brain that may be white where No Tumor is relied upon.
      network_of_version: the version that the network was fitted for; 0 where that is this one.
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
    conformal: tuple[float, float]
    saturation_limit: float
    network_of_version: int = 0


def train(
    split: Split,
    architecture: Architecture,
    epochs: int,
    seed: int,
    run_dir: Path,
    on_epoch: OnEpoch,
    on_critic: OnProgress,
) -> Training:
    """Fits, calibrates and exports; goes on where a training of the same run directory was broken off.

    Args:
      split: the training split; validation_rows of it are held out of the fitting.
      architecture: what to fit.
      epochs: at most, of the network and of the domain critic; 0 is the recipe's own.
      seed: of validation split, initial weights and augmentation.
      run_dir: gets candidate/ (a SavedModel) and tensorboard/; while fitting also checkpoint/.
      on_epoch: progress of the network.
      on_critic: progress of the domain critic, which comes after it.

    Raises:
      TooFewSlicesError: nothing can be held out; the run directory is not touched.
      TrainingDivergedError: the loss is no longer a number.
    """
    import keras

    keras.utils.set_random_seed(seed)
    material = _material(split, architecture.input_spec, seed, run_dir)
    network = architecture.build(architecture.input_spec)
    recipe = architecture.recipe
    history, kept_epoch = fit(network, recipe, material, epochs or recipe.epochs, seed, run_dir, on_epoch)
    critic = fit_critic(material.images, material.train_rows, seed, on_critic, min(epochs or EPOCHS, EPOCHS))
    return _completed(_Fitted(network, critic, architecture, seed, history, kept_epoch), split, material, run_dir)


def refit(
    split: Split, kept: KeptNetwork, run_dir: Path, on_critic: OnProgress, *, keep_critic: bool = False
) -> Training:
    """Fits critic and calibration anew beside the network of a version, with the split and seed of its training.

    Args:
      split: the training split that the network was fitted to.
      kept: the network.
      run_dir: gets candidate/ (a SavedModel).
      on_critic: progress of the domain critic.
      keep_critic: whether that stays as well, and nothing but the calibration is new.

    Raises:
      KeptNetworkError: the split is of other data, or the network does not fit its architecture any more.
    """
    import keras

    kept.require_same_data(split)
    keras.utils.set_random_seed(kept.seed)
    material = _material(split, kept.architecture.input_spec, kept.seed, run_dir)
    network, critic = kept.load(with_critic=keep_critic)
    if critic is None:
        critic = fit_critic(material.images, material.train_rows, kept.seed, on_critic)
    fitted = _Fitted(network, critic, kept.architecture, kept.seed, [kept.metrics], 0, kept.fitted_for)
    return _completed(fitted, split, material, run_dir)


@dataclass(frozen=True, slots=True)
class _Fitted:
    """A network with its domain critic, and how it came to be; attributes as those of Training."""

    network: Any
    critic: Any
    architecture: Architecture
    seed: int
    history: list[EpochMetrics]
    kept_epoch: int
    network_of_version: int = 0


def _material(split: Split, spec: InputSpec, seed: int, run_dir: Path) -> Material:
    held_out = validation_rows(split.groups, split.labels, seed)
    run_dir.mkdir(parents=True, exist_ok=True)
    images = _preprocessed(split.images, spec, run_dir / "pixels.npy")
    return Material(images, split.labels, np.flatnonzero(~held_out), np.flatnonzero(held_out))


def _completed(fitted: _Fitted, split: Split, material: Material, run_dir: Path) -> Training:
    """Calibrates and exports; the candidate is on disk before a record can vouch for it."""
    network, critic = fitted.network, fitted.critic
    train_outputs = _outputs(network, critic, material, material.train_rows)
    calibration = calibrate(train_outputs, _outputs(network, critic, material, material.validation_rows))
    shutil.rmtree(run_dir / CANDIDATE, ignore_errors=True)  # half of one, where a run was broken off here
    export(network, critic, calibration, fitted.architecture.input_spec, run_dir / CANDIDATE)
    write_hashes(run_dir / CANDIDATE / TRAIN_HASHES, split.images)
    sync_tree(run_dir / CANDIDATE)
    (run_dir / "pixels.npy").unlink()
    return Training(
        architecture=fitted.architecture.name,
        seed=fitted.seed,
        fingerprint=split.fingerprint,
        train_slices=len(material.train_rows),
        validation_slices=len(material.validation_rows),
        parameters=network.count_params() + critic.count_params(),
        history=fitted.history,
        kept_epoch=fitted.kept_epoch,
        temperature=calibration.temperature,
        threshold=calibration.threshold,
        conformal=(float(calibration.conformal[0]), float(calibration.conformal[1])),
        saturation_limit=calibration.saturation_limit,
        network_of_version=fitted.network_of_version,
    )


def _preprocessed(images: NDArray[np.uint8], spec: InputSpec, path: Path) -> NDArray[np.uint8]:
    """Makes of stored slices what the gateway makes of a caller's; mapped from disk."""
    shape = (len(images), spec.height, spec.width, spec.channels)
    made = allocate_pixels(path, shape)
    for row, image in enumerate(images):
        made[row] = preprocess(np.asarray(image), spec)
    return made


def _outputs(network: Any, critic: Any, material: Material, rows: NDArray[np.intp]) -> NetworkOutputs:
    import keras

    both = keras.Model(network.inputs[0], [network.get_layer(EMBEDDING).output, network.outputs[0]])
    parts = []
    for at in range(0, len(rows), 64):
        pixels = material.images[rows[at : at + 64]].astype(np.float32) / 255.0
        parts.append((*both(pixels, training=False), critic(pixels, training=False)[:, 0], saturated_share(pixels)))
    embeddings, probabilities, criticisms, saturation = (
        np.concatenate([np.asarray(made) for made in kind]) for kind in zip(*parts, strict=True)
    )
    return NetworkOutputs(probabilities, embeddings, criticisms, saturation, material.labels[rows])
