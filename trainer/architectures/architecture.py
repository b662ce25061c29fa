"""What a trainable architecture consists of."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gateway.imaging import InputSpec

FEATURES = "features"
"""Name of the layer whose maps explain a verdict: float32 [N, h, w, K], fine enough to point at a lesion."""

EMBEDDING = "embedding"
"""Name of the layer whose vectors tell familiar images from others: float32 [N, D]."""

_LEAST_DEVIATION = 1e-3
"""Of a picture that is all but constant."""


def standardized(images: Any) -> Any:
    """Scales each picture of a batch by its own darkest pixel and deviation: brightness and contrast go.

    Args:
      images: Keras tensor float32 [N, H, W, C].

    Returns:
      Keras tensor of the same shape; 0 is the darkest pixel, 1 the standard deviation.
    """
    from keras import ops

    axes = (1, 2, 3)
    deviation = ops.maximum(ops.std(images, axis=axes, keepdims=True), _LEAST_DEVIATION)
    return (images - ops.min(images, axis=axes, keepdims=True)) / deviation


@dataclass(frozen=True, slots=True)
class Recipe:
    """How an architecture is fitted.

    Attributes:
      epochs: by default.
      batch_size: slices a step.
      optimizer: makes the Keras optimizer, given the number of steps in all.
      label_smoothing: in [0, 1).
      augmented: whether slices are flipped, moved and re-lit at random while training.
      patience: epochs without a better val_loss after which fitting stops; None fits all epochs.
    """

    epochs: int
    batch_size: int
    optimizer: Callable[[int], Any]
    label_smoothing: float = 0.0
    augmented: bool = False
    patience: int | None = None


@dataclass(frozen=True, slots=True)
class Architecture:
    """A network and the recipe that goes with it.

    Attributes:
      name: its key in ARCHITECTURES.
      input_spec: of one slice.
      build: makes a keras.Model from float32 [N, H, W, C] in [0, 1] to probabilities float32 [N, 2]
        (no tumor, tumor), with layers named FEATURES and EMBEDDING. Its last layer is a Dense one with
        softmax, and reads the embedding with nothing but dropout between.
      recipe: how it is fitted.
    """

    name: str
    input_spec: InputSpec
    build: Callable[[InputSpec], Any]
    recipe: Recipe
