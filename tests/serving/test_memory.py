"""Memory of versions that are gone."""

from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from tfserving_api.messages import ModelServerConfig, ReloadConfigRequest

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
        version = 1 + number % 2
        config = ModelServerConfig()
        policy = {"specific": {"versions": [version]}}
        config.model_config_list.config.add(
            name="m", base_path=str(base_path), model_platform="tensorflow", model_version_policy=policy
        )
        client.call("HandleReloadConfigRequest", ReloadConfigRequest(config=config))
        eventually(lambda: {3 - version: END} | client.states() == {version: AVAILABLE, 3 - version: END})
        client.predict({"name": "m"}, {"images": np.zeros((4, 8, 8, 1), np.uint8)})
        return psutil.Process(server.process.pid).memory_info().rss

    # The first swaps fill caches that stay the same size from then on.
    resident = [resident_after_swap(number) for number in range(SWAPS)][3:]
    assert max(resident) - resident[0] < MODEL_BYTES
