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
from trainer.calibration import Calibration

_RELIABLE, _UNCERTAIN, _OUT_OF_DOMAIN = 1, 2, 3


def export(network: Any, calibration: Calibration, spec: InputSpec, directory: Path) -> None:
    """Writes the SavedModel; the network's weights go into it once, its optimizer not at all."""
    import tensorflow as tf

    module = tf.Module()
    module.weights = [weight.value for weight in network.weights]
    images = tf.TensorSpec((None, spec.height, spec.width, spec.channels), tf.uint8, "images")
    signatures = {
        "serving_default": tf.function(_verdict(network, calibration), [images]),
        "explain": tf.function(_explained_verdict(network, calibration), [images]),
    }
    tf.saved_model.save(module, str(directory), signatures)


def _verdict(network: Any, calibration: Calibration) -> Callable[[Any], dict[str, Any]]:
    import keras

    body, last_layer = keras.Model(network.inputs[0], network.get_layer(EMBEDDING).output), network.layers[-1]

    def serving_default(images: Any) -> dict[str, Any]:
        embedding = body(_scaled(images), training=False)
        return _outputs(embedding, last_layer(embedding), calibration)

    return serving_default


def _explained_verdict(network: Any, calibration: Calibration) -> Callable[[Any], dict[str, Any]]:
    import keras
    import tensorflow as tf

    features_layer, last_layer = network.get_layer(FEATURES), network.layers[-1]
    trunk = keras.Model(network.inputs[0], features_layer.output)
    neck = keras.Model(features_layer.output, network.get_layer(EMBEDDING).output)
    towards_tumor = last_layer.kernel[:, 1:] - last_layer.kernel[:, :1]

    def explain(images: Any) -> dict[str, Any]:
        features = trunk(_scaled(images), training=False)
        with tf.GradientTape() as tape:
            tape.watch(features)
            embedding = neck(features, training=False)
            log_odds = tf.matmul(embedding, towards_tumor)  # but for the bias, which has no gradient
        heatmap = _class_activation(features, tape.gradient(log_odds, features))
        return _outputs(embedding, last_layer(embedding), calibration) | {"heatmap": heatmap}

    return explain


def _scaled(images: Any) -> Any:
    import tensorflow as tf

    return tf.cast(images, tf.float32) / 255.0


def _log_odds(probabilities: Any) -> Any:
    import tensorflow as tf

    logs = tf.math.log(tf.clip_by_value(probabilities, 1e-7, 1.0))
    return logs[:, 1] - logs[:, 0]


def _class_activation(features: Any, gradients: Any) -> Any:
    """Weighs feature maps by what they add to the odds of a tumor; the strongest spot is 1.

    Source: Selvaraju et al., "Grad-CAM" (2017), equations 1 and 2.
    """
    import tensorflow as tf

    weights = tf.reduce_mean(gradients, axis=(1, 2), keepdims=True)
    heat = tf.nn.relu(tf.reduce_sum(weights * features, axis=-1))
    return heat / tf.maximum(tf.reduce_max(heat, axis=(1, 2), keepdims=True), 1e-7)


def _outputs(embedding: Any, probabilities: Any, calibration: Calibration) -> dict[str, Any]:
    import tensorflow as tf

    tumor = tf.sigmoid(_log_odds(probabilities) / calibration.temperature)
    calibrated = tf.stack([1 - tumor, tumor], axis=1)
    ood_score = _distance(embedding, calibration)
    still_open = tf.reduce_sum(tf.cast(1 - calibrated <= calibration.conformal, tf.int64), axis=1)
    verdict = tf.where(still_open == 1, tf.constant(_RELIABLE, tf.int64), tf.constant(_UNCERTAIN, tf.int64))
    return {
        "probabilities": calibrated,
        "ood_score": ood_score,
        "label": tf.cast(tumor >= calibration.threshold, tf.int64),
        "reliability": tf.where(ood_score > 1.0, tf.constant(_OUT_OF_DOMAIN, tf.int64), verdict),
    }


def _distance(embedding: Any, calibration: Calibration) -> Any:
    """In-graph twin of calibration.ood_scores."""
    import tensorflow as tf

    squared = []
    for mean in calibration.means:
        offset = embedding - mean
        squared.append(tf.reduce_sum(tf.matmul(offset, calibration.precision) * offset, axis=1))
    return tf.sqrt(tf.maximum(tf.minimum(*squared), 0.0))
