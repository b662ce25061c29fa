"""Build step: writes the descriptors of TensorFlow Serving's messages to one file.

    python -m tfserving_api.extract

They come from the generated modules of the installed `tensorflow` and `tensorflow-serving-api`.
Those modules only need the *name* `tensorflow` as a package; an empty package with TensorFlow's
path lets them load while TensorFlow itself stays out.
"""

import importlib
import importlib.util
import os
import sys
import types
from collections.abc import Iterator
from pathlib import Path

from google.protobuf import descriptor, descriptor_pb2

DESCRIPTORS = Path(__file__).with_name("descriptors.binpb")
"""Where the descriptors go: a serialized FileDescriptorSet, dependencies first."""

_ROOTS = (
    "tensorflow.core.protobuf.saved_model_pb2",
    "tensorflow_serving.apis.model_service_pb2",
    "tensorflow_serving.apis.prediction_log_pb2",
    "tensorflow_serving.apis.prediction_service_pb2",
    "tensorflow_serving.config.model_server_config_pb2",
)


def main() -> None:
    """Writes DESCRIPTORS, whole or not at all."""
    _stand_in_for("tensorflow")
    files: dict[str, descriptor.FileDescriptor] = {}
    for module_name in _ROOTS:
        for file in _with_dependencies(importlib.import_module(module_name).DESCRIPTOR):
            files.setdefault(file.name, file)
    descriptors = descriptor_pb2.FileDescriptorSet()
    for file in files.values():
        file.CopyToProto(descriptors.file.add())
    unfinished = DESCRIPTORS.with_suffix(f".{os.getpid()}")
    unfinished.write_bytes(descriptors.SerializeToString(deterministic=True))
    unfinished.replace(DESCRIPTORS)


def _stand_in_for(package: str) -> None:
    """Makes `import package.x` work without running the package's own `__init__`."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit(f"{package} is not installed: its messages are needed once, to extract their descriptors")
    stand_in = types.ModuleType(package)
    stand_in.__path__ = list(spec.submodule_search_locations)
    sys.modules[package] = stand_in


def _with_dependencies(file: descriptor.FileDescriptor) -> Iterator[descriptor.FileDescriptor]:
    for dependency in file.dependencies:
        yield from _with_dependencies(dependency)
    yield file


if __name__ == "__main__":
    main()
