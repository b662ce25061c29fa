"""A trained network and its calibration as a SavedModel with the signatures of DESIGN.

`serving_default`: images uint8 [N, H, W, C] -> probabilities float32 [N, 2] (calibrated),
ood_score float32 [N], label int64 [N] (1 = tumor), reliability int64 [N] (1 reliable,
2 uncertain, 3 out of domain). `explain`: the same, and heatmap float32 [N, h, w] in [0, 1].
Scaling, temperature, thresholds and the class-activation map are plain graph operations, so
that they travel with the version and run in any TensorFlow Serving.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from gateway.imaging import InputSpec
from trainer.architectures.architecture import EMBEDDING, FEATURES
from trainer.reliability import Reliability
from trainer.training.backward import with_plain_gradients
from trainer.training.calibration import LEAST_ODDS, Calibration
from trainer.training.saturation import saturated_share

_SMOOTHING = 3
"""Width of the mean over the map that explains, in its places."""


def export(network: Any, critic: Any, calibration: Calibration, spec: InputSpec, directory: Path) -> None:
    """Writes the SavedModel; the weights of network and domain critic go into it once, optimizers not at all."""
    import tensorflow as tf

    module = tf.Module()
    module.weights = [weight.value for weight in (*network.weights, *critic.weights)]
    judge = Judge(critic, calibration)
    images = tf.TensorSpec((None, spec.height, spec.width, spec.channels), tf.uint8, "images")
    signatures = {
        "serving_default": tf.function(_verdict(network, judge), [images]),
        "explain": tf.function(_explained_verdict(network, judge), [images]),
    }
    tf.saved_model.save(module, str(directory), signatures)


def _verdict(network: Any, judge: "Judge") -> Callable[[Any], dict[str, Any]]:
    import keras

    body, last_layer = keras.Model(network.inputs[0], network.get_layer(EMBEDDING).output), network.layers[-1]

    def serving_default(images: Any) -> dict[str, Any]:
        pixels = _scaled(images)
        embedding = body(pixels, training=False)
        return judge.outputs(pixels, embedding, last_layer(embedding))

    return serving_default


def _explained_verdict(network: Any, judge: "Judge") -> Callable[[Any], dict[str, Any]]:
    import keras
    import tensorflow as tf

    features_layer, last_layer = network.get_layer(FEATURES), network.layers[-1]
    trunk = keras.Model(network.inputs[0], features_layer.output)
    neck = with_plain_gradients(keras.Model(features_layer.output, network.get_layer(EMBEDDING).output))
    towards_tumor = last_layer.kernel[:, 1:] - last_layer.kernel[:, :1]

    def explain(images: Any) -> dict[str, Any]:
        pixels = _scaled(images)
        features = trunk(pixels, training=False)
        with tf.GradientTape() as tape:
            tape.watch(features)
            embedding = neck(features, training=False)
            log_odds = tf.matmul(embedding, towards_tumor)  # but for the bias, which has no gradient
        heatmap = _class_activation(features, tape.gradient(log_odds, features))
        return judge.outputs(pixels, embedding, last_layer(embedding)) | {"heatmap": heatmap}

    return explain


def _scaled(images: Any) -> Any:
    import tensorflow as tf

    return tf.cast(images, tf.float32) / 255.0


def _log_odds(probabilities: Any) -> Any:
    import tensorflow as tf

    logs = tf.math.log(tf.clip_by_value(probabilities, 1e-7, 1.0))
    return logs[:, 1] - logs[:, 0]


def _class_activation(features: Any, gradients: Any) -> Any:
    """Sums, place by place, what of the feature maps adds to the odds of a tumor; the strongest place is 1.

    Source: Jiang et al., "LayerCAM: Exploring Hierarchical Class Activation Maps for Localization" (2021), equation 5.
    """
    import tensorflow as tf

    heat = tf.reduce_sum(tf.nn.relu(gradients) * tf.nn.relu(features), axis=-1, keepdims=True)
    heat = tf.nn.avg_pool2d(heat, _SMOOTHING, 1, "SAME")[..., 0]
    return heat / tf.maximum(tf.reduce_max(heat, axis=(1, 2), keepdims=True), 1e-7)


class Judge:
    """What all signatures say of what the network found."""

    def __init__(self, critic: Any, calibration: Calibration) -> None:
        import tensorflow as tf

        # A function of its own, so that the file holds it once for all signatures.
        self._critic = tf.function(lambda pixels: critic(pixels, training=False)[:, 0])
        self._calibration = calibration

    def outputs(self, pixels: Any, embedding: Any, probabilities: Any) -> dict[str, Any]:
        """Returns what callers get, by name.

        Args:
          pixels: float32 [N, H, W, C] in [0, 1].
          embedding: float32 [N, D].
          probabilities: float32 [N, 2], before calibration.
        """
        import tensorflow as tf

        tumor = tf.sigmoid(_log_odds(probabilities) / self._calibration.temperature)
        calibrated = tf.stack([1 - tumor, tumor], axis=1)
        ood_score = tf.maximum(self._distance(embedding), self._criticism(pixels))
        label = tf.cast(tumor >= self._calibration.threshold, tf.int64)
        still_open = tf.cast(1 - calibrated <= self._calibration.conformal, tf.int64)
        # The label has a threshold of its own: what is called must be what alone is open, and likely.
        beside_the_label = tf.reduce_sum(tf.abs(still_open - tf.one_hot(label, 2, dtype=tf.int64)), axis=1)
        of_the_label = tf.where(label == 1, tumor, 1 - tumor)
        is_clear = (beside_the_label == 0) & (of_the_label >= LEAST_ODDS / (1 + LEAST_ODDS))
        # White hides what it covers: a tumor that is seen all the same is there, and one that is not may be.
        is_clear &= (label == 1) | (saturated_share(pixels) <= self._calibration.saturation_limit)
        reliable, uncertain, out_of_domain = (tf.constant(kind, tf.int64) for kind in Reliability)
        verdict = tf.where(is_clear, reliable, uncertain)
        return {
            "probabilities": calibrated,
            "ood_score": ood_score,
            "label": label,
            "reliability": tf.where(ood_score > 1.0, out_of_domain, verdict),
        }

    def _distance(self, embedding: Any) -> Any:
        """In-graph twin of calibration.ood_scores."""
        import tensorflow as tf

        squared = []
        for mean in self._calibration.means:
            offset = embedding - mean
            squared.append(tf.reduce_sum(tf.matmul(offset, self._calibration.precision) * offset, axis=1))
        return tf.sqrt(tf.maximum(tf.minimum(*squared), 0.0))

    def _criticism(self, pixels: Any) -> Any:
        """The critic's logit as a score: positive, and 1 at its limit."""
        import tensorflow as tf

        limit = tf.math.softplus(tf.constant(self._calibration.critic_limit, tf.float32))
        return tf.math.softplus(self._critic(pixels)) / limit
