"""Labelled synthetic slices as directories and archives; a network in no time; the operations of a data root."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.imaging import InputSpec
from trainer.architectures import Architecture
from trainer.architectures.architecture import EMBEDDING, FEATURES
from trainer.architectures.residual_cnn import ARCHITECTURE
from trainer.jobs.operation import Order
from trainer.jobs.orders import DEFAULT_ORDER, completed
from trainer.operations import Operations


@pytest.fixture(scope="session")
def order() -> Order:
    """What an empty request asks for."""
    return completed(DEFAULT_ORDER)


@pytest.fixture(scope="session")
def slice_files(distinct_slice: Callable[[int], bytes]) -> dict[str, bytes]:
    """48 distinct slices by name; odd numbers have a tumor."""
    return {f"Image{number}": distinct_slice(number) for number in range(48)}


@pytest.fixture(scope="session")
def label_rows(slice_files: dict[str, bytes]) -> dict[str, str]:
    """The class of each slice, as the label file has it."""
    return {name: str(int(name.removeprefix("Image")) % 2) for name in slice_files}


@pytest.fixture
def image_dir(tmp_path: Path, slice_files: dict[str, bytes]) -> Path:
    """The slices as files."""
    directory = tmp_path / "images"
    directory.mkdir()
    for name, content in slice_files.items():
        (directory / f"{name}.jpg").write_bytes(content)
    return directory


@pytest.fixture
def label_file(tmp_path: Path, label_rows: dict[str, str]) -> Path:
    """The labels as CSV, with a column that nobody needs."""
    path = tmp_path / "BrainTumor.csv"
    rows = [f"{name},{label},0.5" for name, label in label_rows.items()]
    path.write_text("\n".join(["Image,Class,Mean", *rows]) + "\n")
    return path


def _tiny(spec: InputSpec) -> Any:
    import keras
    from keras import layers

    images = keras.Input((spec.height, spec.width, spec.channels))
    features = layers.Conv2D(4, 3, strides=2, activation="relu", name=FEATURES)(images)
    embedding = layers.GlobalAveragePooling2D(name=EMBEDDING)(features)
    return keras.Model(images, layers.Dense(2, activation="softmax")(layers.Dropout(0.3)(embedding)))


@pytest.fixture(scope="session")
def tiny() -> Architecture:
    """A network of one layer, by the recipe of the default one."""
    return Architecture("tiny", InputSpec(16, 16, 1), _tiny, ARCHITECTURE.recipe)


@pytest.fixture(scope="session")
def opened() -> Callable[[Path], AbstractAsyncContextManager[Operations]]:
    """Opens the operations of a directory, for as long as the block lasts."""

    @asynccontextmanager
    async def opened(directory: Path) -> AsyncIterator[Operations]:
        operations = Operations(directory / "trainer.db")
        await operations.open()
        yield operations
        await operations.close()

    return opened
