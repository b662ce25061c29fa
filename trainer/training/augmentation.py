"""Random changes to training slices that leave the verdict as it is."""

from typing import Any

_ROTATION = 0.26
"""Largest rotation, in radians: 15 degrees."""
_SHIFT = 0.08
"""Largest shift, as a share of the side."""
_ZOOM = 0.12
_LOG_GAMMA = 0.35
_CONTRAST = 0.2


def augmented(images: Any) -> Any:
    """Mirrors, rotates, shifts, zooms and re-lights each slice of a batch by itself.

    Args:
      images: float32 [N, H, W, C] in [0, 1].

    Returns:
      float32 [N, H, W, C] in [0, 1]; what comes in from outside is black, as the background of a slice.
    """
    import tensorflow as tf

    moved = tf.raw_ops.ImageProjectiveTransformV3(
        images=images,
        transforms=_transforms(tf.shape(images)),
        output_shape=tf.shape(images)[1:3],
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="CONSTANT",
    )
    shape = [tf.shape(images)[0], 1, 1, 1]
    gamma = tf.exp(tf.random.uniform(shape, -_LOG_GAMMA, _LOG_GAMMA))
    contrast = tf.random.uniform(shape, 1 - _CONTRAST, 1 + _CONTRAST)
    return tf.clip_by_value(contrast * tf.pow(tf.maximum(moved, 1e-6), gamma), 0.0, 1.0)


def _transforms(shape: Any) -> Any:
    """Makes one projective transform [N, 8] a slice, from output to input pixels, about the centre."""
    import tensorflow as tf

    count, height, width = shape[0], tf.cast(shape[1], tf.float32), tf.cast(shape[2], tf.float32)
    angle = tf.random.uniform([count], -_ROTATION, _ROTATION)
    zoom = tf.random.uniform([count], 1 - _ZOOM, 1 + _ZOOM)
    mirror = tf.where(tf.random.uniform([count]) < 0.5, -1.0, 1.0)
    cos, sin = tf.cos(angle) * zoom, tf.sin(angle) * zoom
    centre_x, centre_y = (width - 1) / 2, (height - 1) / 2
    shift_x = tf.random.uniform([count], -_SHIFT, _SHIFT) * width
    shift_y = tf.random.uniform([count], -_SHIFT, _SHIFT) * height
    rows = [
        (cos * mirror, -sin, centre_x - cos * mirror * centre_x + sin * centre_y + shift_x),
        (sin * mirror, cos, centre_y - sin * mirror * centre_x - cos * centre_y + shift_y),
    ]
    zeros = tf.zeros_like(angle)
    return tf.stack([*rows[0], *rows[1], zeros, zeros], axis=1)
