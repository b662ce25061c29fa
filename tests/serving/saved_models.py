"""Writes the tiny SavedModels of these tests: `python saved_models.py <directory>`.

A process of its own, so that the tests themselves never start TensorFlow.
"""

import shutil
import sys
from pathlib import Path

import numpy as np
import tensorflow as tf

DTYPES = [
    *("float32", "float64", "float16", "bfloat16", "complex64", "complex128", "bool", "string"),
    *("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    *("int2", "int4", "uint2", "uint4"),
    *("float8_e5m2", "float8_e4m3fn", "float8_e4m3fnuz", "float8_e4m3b11fnuz", "float8_e5m2fnuz"),
]
SCALE, OFFSET = tf.constant(2.0), tf.constant(1.0)


def half_plus(path: Path, offset: float, *, use_resource: bool) -> None:
    """x/2 + offset as the first SavedModels had it: placeholders, and variables of the given kind."""
    v1 = tf.compat.v1
    with tf.Graph().as_default():
        x = v1.placeholder(tf.float32, [None, 1], "x")
        a = v1.get_variable("a", initializer=0.5, use_resource=use_resource)
        b = v1.get_variable("b", initializer=offset, use_resource=use_resource)
        y = tf.add(tf.multiply(a, x), b, name="y")
        plus_one = tf.add(y, 1.0, name="y_plus_one")
        examples = v1.placeholder(tf.string, [None], "tf_example")
        info = v1.saved_model.build_tensor_info
        predict = v1.saved_model.build_signature_def(
            {"x": info(x)}, {"y": info(y), "y2": info(plus_one)}, "tensorflow/serving/predict"
        )
        constant = v1.saved_model.build_signature_def({}, {"b": info(tf.identity(b))}, "tensorflow/serving/predict")
        regress = v1.saved_model.build_signature_def(
            {"inputs": info(x)}, {"outputs": info(y)}, "tensorflow/serving/regress"
        )
        raw = v1.saved_model.build_signature_def(
            {"inputs": info(examples)}, {"outputs": info(tf.strings.length(examples))}, "tensorflow/serving/regress"
        )
        with v1.Session() as session:
            session.run(v1.global_variables_initializer())
            builder = v1.saved_model.Builder(str(path))
            builder.add_meta_graph_and_variables(
                session,
                ["serve"],
                {"serving_default": predict, "no_inputs": constant, "regress_x_to_y": regress, "lengths": raw},
            )
            builder.save()


class Echo(tf.Module):
    """Gives back a tensor of each dtype."""

    @tf.function(autograph=False)
    def echo(self, **tensors: tf.Tensor) -> dict[str, tf.Tensor]:
        return {name: tf.identity(tensor) for name, tensor in tensors.items()}


class Images(tf.Module):
    """A classifier with the signatures of the real one, of a size to be chosen."""

    def __init__(self, height: int, width: int, channels: int, ballast: int = 0, seed: int = 0) -> None:
        super().__init__()
        random = np.random.default_rng(seed)
        spec = tf.TensorSpec([None, height, width, channels], tf.uint8, name="images")
        self.kernel = tf.Variable(random.normal(size=(3, 3, channels, 8)).astype(np.float32) / 3)
        self.head = tf.Variable(random.normal(size=(8, 2)).astype(np.float32))
        self.ballast = tf.Variable(random.normal(size=(max(1, ballast), 2)).astype(np.float32))
        self.predict = tf.function(self._predict, input_signature=[spec])
        self.explain = tf.function(self._explain, input_signature=[spec])

    def _features(self, images: tf.Tensor) -> tf.Tensor:
        return tf.nn.relu(tf.nn.conv2d(tf.cast(images, tf.float32) / 255, self.kernel, 2, "SAME"))

    def _predict(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        logits = tf.reduce_mean(self._features(images), [1, 2]) @ self.head + 1e-6 * self.ballast[-1]
        probabilities = tf.nn.softmax(logits)
        return {
            "probabilities": probabilities,
            "ood_score": tf.reduce_max(logits, -1),
            "label": tf.cast(probabilities[:, 1] > 0.5, tf.int64),
            "reliability": tf.ones_like(probabilities[:, 0], tf.int64),
        }

    def _explain(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        return {**self._predict(images), "heatmap": tf.nn.sigmoid(tf.reduce_mean(self._features(images), -1))}


class Flat(tf.Module):
    """Reshapes whatever comes to 2x2x3 images and sums them up."""

    @tf.function(input_signature=[tf.TensorSpec([None, 2, 2, 3], tf.float32, name="images")])
    def sums(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"sums": tf.reduce_sum(tf.reshape(images, [-1, 12]), 1)}


class Counter(tf.Module):
    """Needs as many steps as it is told, to have something slow."""

    @tf.function(input_signature=[tf.TensorSpec([], tf.int64, name="steps")])
    def count(self, steps: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"steps": tf.while_loop(lambda i: i < steps, lambda i: [i + 1], [tf.constant(0, tf.int64)])[0]}


class Defaults(tf.Module):
    """Fills in what the request leaves out."""

    @tf.function(input_signature=[tf.TensorSpec([], tf.float32, name) for name in ("x", "scale", "offset")])
    def affine(self, x: tf.Tensor, scale: tf.Tensor = SCALE, offset: tf.Tensor = OFFSET) -> dict[str, tf.Tensor]:
        return {"y": x * scale + offset}


class Sizes(tf.Module):
    """Takes some sizes, and not others."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.uint8, "a"), tf.TensorSpec([None], tf.float32, "b")])
    def pair(self, a: tf.Tensor, b: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"sum": tf.cast(a, tf.float32) + b}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, "x")])
    def triples(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"triples": tf.reshape(x, [-1, 3])}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, "x")])
    def padded(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"padded": tf.concat([x, [7.0, 8.0]], 0)}


class Unlike(tf.Module):
    """What OpenVINO would answer otherwise than TensorFlow, and something that it would not."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = tf.Variable(0.0)

    def alike(self, x: tf.Tensor) -> tf.Tensor:
        first = tf.gather(x, tf.shape(x)[:1] // 2 * 0)
        return tf.argmax(tf.cast(x, tf.float32)) + tf.cast(first[0] > 1.0, tf.int64)

    def wide(self, x: tf.Tensor) -> tf.Tensor:
        return tf.identity(x)

    def widened(self, x: tf.Tensor) -> tf.Tensor:
        return tf.cast(x, tf.int64)

    def precise(self, x: tf.Tensor) -> tf.Tensor:
        return tf.cast(tf.cast(x, tf.float64) + 1e-12, tf.float32)

    def saturated(self, x: tf.Tensor) -> tf.Tensor:
        return tf.cast(x, tf.uint8)

    def wrapping(self, x: tf.Tensor) -> tf.Tensor:
        return x + x

    def asserted(self, x: tf.Tensor) -> tf.Tensor:
        with tf.control_dependencies([tf.debugging.assert_positive(x)]):
            return tf.identity(x)

    def looked_up(self, x: tf.Tensor) -> tf.Tensor:
        return tf.gather([1.0, 2.0], tf.argmax(x))

    def divided(self, x: tf.Tensor) -> tf.Tensor:
        return 6 // tf.argmax(x)

    def backwards(self, x: tf.Tensor) -> tf.Tensor:
        return tf.reverse(x, [0])

    def totalled(self, x: tf.Tensor) -> tf.Tensor:
        return tf.reduce_sum(tf.cast(x, tf.int32))

    def unsigned(self, x: tf.Tensor) -> tf.Tensor:
        return tf.maximum(x, x)

    def counted(self, x: tf.Tensor) -> tf.Tensor:
        return x + self.calls.assign_add(1.0)


def save_unlike(path: Path) -> None:
    model, signatures = Unlike(), {}
    dtypes = {"wide": tf.int64, "backwards": tf.int32, "unsigned": tf.uint32}
    dtypes |= dict.fromkeys(["wrapping", "totalled"], tf.uint8)
    for name in (name for name, value in vars(Unlike).items() if callable(value) and not name.startswith("_")):
        function = tf.function(lambda x, name=name: {"y": getattr(model, name)(x)}, autograph=False)
        signatures[name] = function.get_concrete_function(tf.TensorSpec([None], dtypes.get(name, tf.float32), "x"))
    tf.saved_model.save(model, str(path), signatures=signatures)


def save_images(path: Path, *arguments: int) -> None:
    model = Images(*arguments)
    tf.saved_model.save(model, str(path), signatures={"serving_default": model.predict, "explain": model.explain})


def main(root: Path) -> None:
    half_plus(root / "half_plus_two", 2.0, use_resource=False)
    half_plus(root / "half_plus_three", 3.0, use_resource=True)
    echo = Echo()
    specs = {f"{name}_in": tf.TensorSpec(None, name, name=f"{name}_in") for name in DTYPES}
    tf.saved_model.save(echo, str(root / "echo"), signatures=echo.echo.get_concrete_function(**specs))
    save_images(root / "images", 8, 8, 1)
    save_images(root / "images_rgb", 12, 10, 3)
    save_images(root / "images_heavy", 8, 8, 1, 30 * 2**20 // 8)
    tf.saved_model.save(flat := Flat(), str(root / "flat"), signatures=flat.sums)
    tf.saved_model.save(defaults := Defaults(), str(root / "defaults"), signatures=defaults.affine)
    tf.saved_model.save(counter := Counter(), str(root / "counter"), signatures=counter.count)
    sizes = Sizes()
    signatures = {"pair": sizes.pair, "triples": sizes.triples, "padded": sizes.padded}
    tf.saved_model.save(sizes, str(root / "sizes"), signatures=signatures)
    save_unlike(root / "unlike")
    shutil.copytree(root / "half_plus_two", root / "no_variables", ignore=shutil.ignore_patterns("variables"))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
