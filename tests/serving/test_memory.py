"""Memory of versions that are gone."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from tfserving_api.messages import ModelServerConfig, ReloadConfigRequest

SHIPPED = Path(__file__).parents[2] / "data/models/brain_tumor/4"
SWAPS = 16
MODEL_BYTES = 30 * 2**20
AVAILABLE, END = 30, 50


@pytest.mark.parametrize("engine", ["tensorflow", "openvino"])
def test_swaps_of_a_large_model_leave_nothing_behind(
    launch: Any, publish: Any, base_path: Path, eventually: Any, engine: str
) -> None:
    for version in ("1", "2"):
        publish("images_heavy", version)
    server = launch(f"--model_base_path={base_path}", "--model_name=m", f"--engine={engine}")
    client = server.ready()

    def resident_after_swap(number: int) -> int:
        swap(1 + number % 2)
        client.predict({"name": "m"}, {"images": np.zeros((4, 8, 8, 1), np.uint8)})
        return resident(server)

    swap = swapping(client, base_path, eventually)
    # The first swaps fill caches that stay the same size from then on.
    after = [resident_after_swap(number) for number in range(SWAPS)][3:]
    assert max(after) - after[0] < MODEL_BYTES


def test_what_was_compiled_for_each_batch_size_goes_with_the_version(
    launch: Any, publish: Any, base_path: Path, eventually: Any
) -> None:
    publish("images", "1")
    shutil.copytree(SHIPPED, base_path / "2")
    server = launch(f"--model_base_path={base_path}", "--model_name=m", "--engine=openvino")
    client = server.ready()
    swap = swapping(client, base_path, eventually)
    swap(1)
    before = resident(server)
    swap(2)
    for size in range(1, 25):
        for signature in ("serving_default", "explain"):
            pixels = np.zeros((size, 128, 128, 1), np.uint8)
            client.predict({"name": "m", "signature_name": signature}, {"images": pixels})
    loaded = resident(server)
    swap(1)
    assert resident(server) - before < 0.2 * (loaded - before)


def test_batches_of_rising_sizes_leave_no_holes(launch: Any, base_path: Path) -> None:
    shutil.copytree(SHIPPED, base_path / "1")

    def grown_after(sizes: Sequence[int]) -> int:
        server = launch(f"--model_base_path={base_path}", "--model_name=m", "--engine=openvino")
        client = server.ready()
        before = resident(server)
        for size in sizes:
            for signature in ("serving_default", "explain"):
                pixels = np.zeros((size, 128, 128, 1), np.uint8)
                client.predict({"name": "m", "signature_name": signature}, {"images": pixels})
        return resident(server) - before

    assert grown_after(range(1, 33)) < 1.2 * grown_after(range(32, 0, -1))


def swapping(client: Any, base_path: Path, eventually: Any) -> Callable[[int], None]:
    """Returns what has one of versions 1 and 2 loaded, and the other gone."""

    def swap(version: int) -> None:
        config = ModelServerConfig()
        policy = {"specific": {"versions": [version]}}
        config.model_config_list.config.add(
            name="m", base_path=str(base_path), model_platform="tensorflow", model_version_policy=policy
        )
        client.call("HandleReloadConfigRequest", ReloadConfigRequest(config=config))
        eventually(lambda: {3 - version: END} | client.states() == {version: AVAILABLE, 3 - version: END})

    return swap


def resident(server: Any) -> int:
    """Returns the bytes that a server has resident."""
    return int(psutil.Process(server.process.pid).memory_info().rss)
