"""Makes efficientnet_lite0.h5 out of a file of PyTorch, without it: python -m trainer.pretrained.extract FILE.pth."""

import pickle
import struct
import sys
from pathlib import Path
from typing import IO, Any

import h5py
import numpy as np
from numpy.typing import NDArray

from trainer.pretrained.trunk import STAGES, WEIGHTS

_TYPES: dict[str, np.dtype[Any]] = {"FloatStorage": np.dtype(np.float32), "LongStorage": np.dtype(np.int64)}
_NORM = {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var"}


def main() -> None:
    """Reads the file that the command line names, and writes the weights of the trunk."""
    with Path(sys.argv[1]).open("rb") as file:
        given = read_tensors(file)
    kept = _convolution("stem", given["_conv_stem.weight"]) | _norm("stem_norm", given, "_bn0")
    for number in range(sum(blocks for blocks, *_ in STAGES)):
        theirs = f"_blocks.{number}."
        for part, norm in (("expand", "_bn0"), ("depthwise", "_bn1"), ("project", "_bn2")):
            if (kernel := given.get(f"{theirs}_{part}_conv.weight")) is not None:
                kept |= _convolution(f"block{number}_{part}", kernel)
                kept |= _norm(f"block{number}_{part}_norm", given, theirs + norm)
    with h5py.File(WEIGHTS, "w") as file_of_ours:
        for name, values in kept.items():
            file_of_ours.create_dataset(name, data=values, compression="gzip")


def read_tensors(file: IO[bytes]) -> dict[str, NDArray[Any]]:
    """Reads a state dictionary in the format of torch.save before PyTorch 1.6; anything but tensors in it is refused.

    Three pickles come first (magic number, version, machine), then that of the dictionary, whose tensors are views of
    storages by key, then the list of keys, then each storage: its length as int64, and its bytes.
    """
    reader = _Reader(file)
    for _ in range(3):
        reader.load()
    views = reader.load()
    storages = {}
    for key in reader.load():
        (length,) = struct.unpack("<q", file.read(8))
        dtype = reader.storages[key]
        storages[key] = np.frombuffer(file.read(length * dtype.itemsize), dtype)
    return {
        name: np.lib.stride_tricks.as_strided(
            storages[key][offset:], shape, [step * storages[key].itemsize for step in strides]
        )
        for name, (key, offset, shape, strides) in views.items()
    }


class _Reader(pickle.Unpickler):
    """Notes the types of storages, and makes of each tensor what it is a view of."""

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__(file)
        self.storages: dict[str, np.dtype[Any]] = {}

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return super().find_class(module, name)
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return lambda key, offset, shape, strides, *_: (key, offset, shape, strides)
        if module == "torch" and name in _TYPES:
            return name
        raise pickle.UnpicklingError(f"{module}.{name} is no part of a tensor")

    def persistent_load(self, reference: Any) -> str:
        _, kind, key, *_ = reference
        self.storages[key] = _TYPES[kind]
        return str(key)


def _convolution(name: str, kernel: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """From [out, in, h, w] to Keras's [h, w, in, out]; of a depthwise one, whose `in` is 1, to [h, w, channels, 1]."""
    order = (2, 3, 0, 1) if kernel.shape[1] == 1 else (2, 3, 1, 0)
    return {f"{name}/kernel": kernel.transpose(order).astype(np.float16)}


def _norm(name: str, given: dict[str, NDArray[Any]], theirs: str) -> dict[str, NDArray[Any]]:
    return {f"{name}/{keras_name}": given[f"{theirs}.{torch_name}"] for keras_name, torch_name in _NORM.items()}


if __name__ == "__main__":
    main()
