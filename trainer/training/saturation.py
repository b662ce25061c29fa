"""How much of a brain is white: what a window has cut off there, no network can see.

Where much of it is, a network goes by what it still sees, and calls a tumor that was cut off No Tumor with confidence.
"""

from typing import Any

BACKGROUND = 0.06
"""Up to this share of its brightest pixel a slice shows no brain."""
_WHITE = 0.96
"""From this share of it on: less than 1, since sizes and JPEG blur what was cut off."""


def saturated_share(pixels: Any) -> Any:
    """Returns, of the pixels of each picture that are no background, the share about as bright as the brightest.

    Made of graph operations, so that a version takes it along.

    Args:
      pixels: float32 [N, H, W, C] in [0, 1].

    Returns:
      float32 [N]; 0 of a black picture.
    """
    import tensorflow as tf

    grey = tf.reduce_mean(pixels, axis=-1)
    brightest = tf.reduce_max(grey, axis=(1, 2), keepdims=True)
    brain = tf.cast(grey > BACKGROUND * brightest, tf.float32)
    white = brain * tf.cast(grey >= _WHITE * brightest, tf.float32)
    return tf.reduce_sum(white, axis=(1, 2)) / tf.maximum(tf.reduce_sum(brain, axis=(1, 2)), 1.0)
