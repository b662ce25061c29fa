"""The whole service as a user runs it: serving and gateway as processes of their own."""

import io
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from trainer.synthetic import synthetic_slice

_ROOT = Path(__file__).parents[2]
_MODEL_DIR = _ROOT / "data/models/brain_tumor"


class Service:
    """A running process and the address that it printed."""

    def __init__(self, arguments: list[str], environment: dict[str, str] | None = None) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", *arguments],
            cwd=_ROOT,
            env=os.environ | (environment or {}),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.address = self._printed_address()

    def _printed_address(self) -> str:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if found := re.search(r"(\S+:\d+)", line):
                return found.group(1)
        raise AssertionError(f"{self.process.args} ended with {self.stop()} before it listened")

    def stop(self) -> int:
        """Ends the process in good order and returns its exit status."""
        self.process.terminate()
        try:
            return self.process.wait(30)
        finally:
            self.process.kill()
            self.process.wait()
            assert self.process.stdout is not None
            self.process.stdout.close()


@pytest.fixture(scope="session")
def start_service() -> type[Service]:
    """Starts a module of ours as a process; whoever does so stops it."""
    return Service


@pytest.fixture(scope="session")
def shipped_version() -> Path:
    """Directory of the shipped model."""
    return _MODEL_DIR / "1"


@pytest.fixture(scope="module")
def serving(shipped_version: Path) -> Iterator[Service]:
    """Serving on the shipped model."""
    base_path = f"--model_base_path={shipped_version.parent}"
    service = Service(["serving.modelserver", "--port=0", "--model_name=brain_tumor", base_path])
    yield service
    service.stop()


@pytest.fixture(scope="module")
def gateway(serving: Service) -> Iterator[Service]:
    """A gateway in front of it."""
    service = Service(["gateway"], {"GATEWAY_ADDRESS": "127.0.0.1:0", "SERVING_ADDRESS": serving.address})
    yield service
    service.stop()


@pytest.fixture(scope="session")
def slices() -> list[bytes]:
    """Synthetic slices as PNG files; odd ones have a lesion."""
    files = []
    for seed in range(8):
        file = io.BytesIO()
        Image.fromarray(synthetic_slice(seed, lesion=seed % 2 == 1)[..., 0]).save(file, "PNG")
        files.append(file.getvalue())
    return files
