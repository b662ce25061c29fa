"""Figures of a SavedModel on a labelled split."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from gateway.imaging import ImageArray, InputSpec, preprocess
from trainer.errors import BrokenModelError, TrainingDivergedError
from trainer.figures import Evaluation
from trainer.progress_bar import OnProgress
from trainer.roc import area_under_roc

Outputs: TypeAlias = Mapping[str, NDArray[Any]]
"""What a signature has answered to N images, by name of the output, each with first axis N."""

_BATCH = 32


def load_model(directory: Path) -> Any:
    """Loads a SavedModel with the signature `serving_default`.

    Raises:
      BrokenModelError: there is none.
    """
    import tensorflow as tf

    try:
        model = tf.saved_model.load(str(directory))
        _ = model.signatures["serving_default"].structured_input_signature[1]["images"]
    except MemoryError:
        raise
    except Exception as err:  # TensorFlow has all kinds for it, IndexError among them
        if isinstance(err, OSError) and err.errno:  # nothing of the model's
            raise
        raise BrokenModelError(
            f"the model in {directory.name} cannot be loaded: its files are missing, damaged, or of another kind"
        ) from err
    return model


class Candidate:
    """A SavedModel loaded into this process, with the signatures of `servable`.

    Raises:
      BrokenModelError: there is none, or none like that.
    """

    def __init__(self, directory: Path) -> None:
        self._model = load_model(directory)  # its signatures live as long as it does
        images = self._model.signatures["serving_default"].structured_input_signature[1]["images"]
        self.input_spec = InputSpec(*images.shape[1:])

    def predict(self, images: NDArray[np.uint8], signature: str = "serving_default") -> dict[str, NDArray[Any]]:
        """Returns the outputs of a signature for images uint8 [N, H, W, C], each with first axis N."""
        import tensorflow as tf

        outputs = self._model.signatures[signature](images=tf.constant(images))
        return {name: tensor.numpy() for name, tensor in outputs.items()}


def predict_images(
    candidate: Candidate,
    images: Sequence[ImageArray] | ImageArray,
    signature: str = "serving_default",
    on_progress: OnProgress = lambda _done, _total: None,
) -> dict[str, NDArray[Any]]:
    """Returns the outputs of a signature for N >= 1 images, batch by batch, each with first axis N.

    Args:
      candidate: preprocesses as its own signature says.
      images: uint8 (height, width, channels) each.
      signature: to be run.
      on_progress: of the images.
    """
    parts = []
    for at in range(0, len(images), _BATCH):
        fitted = [preprocess(image, candidate.input_spec) for image in images[at : at + _BATCH]]
        parts.append(candidate.predict(np.stack(fitted), signature))
        on_progress(min(at + _BATCH, len(images)), len(images))
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def evaluate(outputs: Outputs, labels: NDArray[np.int64]) -> Evaluation:
    """Counts what predict_images returned against the truth.

    Args:
      outputs: with `probabilities` (N, 2) and `label` (N,).
      labels: int64 (N,), both 0 and 1 among them.

    Raises:
      TrainingDivergedError: a probability is no number.
    """
    if not np.isfinite(outputs["probabilities"]).all():
        raise TrainingDivergedError("the network's answer to some test slices is no number")
    called, truth = outputs["label"] == 1, labels == 1
    true_positives, false_positives = int((called & truth).sum()), int((called & ~truth).sum())
    true_negatives, false_negatives = int((~called & ~truth).sum()), int((~called & truth).sum())
    return Evaluation(
        examples=len(labels),
        accuracy=(true_positives + true_negatives) / len(labels),
        auc=area_under_roc(outputs["probabilities"][:, 1], truth),
        sensitivity=true_positives / (true_positives + false_negatives),
        specificity=true_negatives / (true_negatives + false_positives),
        true_positives=true_positives,
        false_positives=false_positives,
        true_negatives=true_negatives,
        false_negatives=false_negatives,
    )
