"""Tensors in a file of PyTorch's, written here as torch.save did before version 1.6."""

import io
import os
import pickle
import struct
import sys
import types
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from trainer.pretrained.extract import read_tensors


@pytest.fixture
def torch(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The names by which such a pickle calls what it needs; reading must do without."""
    modules = {name: types.ModuleType(name) for name in ("torch", "torch._utils")}
    for module, name in (("torch", "FloatStorage"), ("torch", "LongStorage"), ("torch._utils", "_rebuild_tensor_v2")):
        made = type(name, (), {"__module__": module})
        setattr(modules[module], name, made)
    with monkeypatch.context() as patch:
        for name, module in modules.items():
            patch.setitem(sys.modules, name, module)
        yield modules


def written(torch: Any, state: Any, storages: dict[str, np.ndarray]) -> io.BytesIO:
    kinds = {"f": torch["torch"].FloatStorage, "i": torch["torch"].LongStorage}

    class Writer(pickle.Pickler):
        def persistent_id(self, thing: Any) -> Any:
            if isinstance(thing, np.ndarray):
                ((key, values),) = [(key, values) for key, values in storages.items() if values is thing]
                return "storage", kinds[values.dtype.kind], key, "cpu", len(values), None
            return None

    class Tensor:
        def __init__(self, *view: Any) -> None:
            self.view = view

        def __reduce__(self) -> Any:
            return torch["torch._utils"]._rebuild_tensor_v2, (*self.view, False, OrderedDict())

    file = io.BytesIO()
    for head in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}):
        pickle.dump(head, file, 2)
    Writer(file, 2).dump(OrderedDict((name, Tensor(*view)) for name, view in state.items()))
    pickle.dump(list(storages), file, 2)
    for values in storages.values():
        file.write(struct.pack("<q", len(values)) + values.tobytes())
    file.seek(0)
    return file


def test_a_tensor_is_the_view_that_it_was(torch: Any) -> None:
    floats, counts = np.arange(12, dtype=np.float32), np.array([7, 8], np.int64)
    state = {"turned": (floats, 0, (4, 3), (1, 4)), "end": (floats, 10, (2,), (1,)), "count": (counts, 1, (), ())}
    read = read_tensors(written(torch, state, {"1": floats, "2": counts}))
    np.testing.assert_array_equal(read["turned"], floats.reshape(3, 4).T)
    np.testing.assert_array_equal(read["end"], [10, 11])
    assert read["count"] == 8


@pytest.mark.parametrize("place", range(5), ids=["magic number", "version", "machine", "dictionary", "list of keys"])
def test_a_pickle_that_would_run_something_is_refused(place: int) -> None:
    class Evil:
        def __reduce__(self) -> Any:
            return os.mkdir, ("made-by-a-pickle",)

    evil = io.BytesIO()
    for harmless in (1, 2, 3, {})[:place]:
        pickle.dump(harmless, evil, 2)
    pickle.dump(Evil(), evil, 2)
    with pytest.raises(pickle.UnpicklingError, match="no part of a tensor"):
        read_tensors(io.BytesIO(evil.getvalue()))
