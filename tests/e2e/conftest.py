"""The whole service as a user runs it: serving and gateway as processes of their own."""

import io
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import grpc
import pytest
from braintumor.v1 import classifier_service_pb2 as pb
from braintumor.v1.classifier_service_pb2_grpc import ClassifierServiceStub
from PIL import Image

from trainer.data.known_slices import KnownSlices
from trainer.data.sources import ZipSource
from trainer.data.synthetic import synthetic_slice
from trainer.dataset import DatasetPaths, Split, build_dataset, load_split

_ROOT = Path(__file__).parents[2]
_MODEL_DIR = _ROOT / "data/models/brain_tumor"
_LABELLED_SLICES = 24
_REAL_DATA = _ROOT.parent / "shared/data/brain_tumor.zip"
_PAUSE_S = 0.05


class Service:
    """A running process and the address that it printed.

    Args:
      arguments: of python -m.
      environment: beside this process's own.
      within: command that runs it; empty for none.
    """

    def __init__(
        self, arguments: list[str], environment: dict[str, str] | None = None, within: Sequence[str] = ()
    ) -> None:
        self.process = subprocess.Popen(
            [*within, sys.executable, "-m", *arguments],
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
    return max(_MODEL_DIR.glob("[0-9]*"), key=lambda path: int(path.name))


@pytest.fixture(scope="session")
def test_split(tmp_path_factory: pytest.TempPathFactory) -> Split:
    """The untouched test split of the real data, made again with the seed of the shipped model."""
    if not _REAL_DATA.exists():
        pytest.skip("the real data set is absent; data/README.md says where to get it")
    root = tmp_path_factory.mktemp("real")
    paths = DatasetPaths(root / "all.npz", root / "train.npz", root / "test.npz")
    with ZipSource(_REAL_DATA) as source:
        summary = build_dataset(source, paths, 1, lambda _done, _total: None, KnownSlices.of_version(root, 0))
    assert (summary.train_slices, summary.test_slices, summary.tumor_slices) == (2519, 489, 1373)
    return load_split(paths.test_npz)


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


@pytest.fixture(scope="module")
def data_root(
    tmp_path_factory: pytest.TempPathFactory, shipped_version: Path, distinct_slice: Callable[[int], bytes]
) -> Path:
    """The shipped model as version 1, and a tiny data set of labelled slices."""
    root: Path = tmp_path_factory.mktemp("data")
    shutil.copytree(shipped_version, root / "models/brain_tumor/1")
    (root / "raw/images").mkdir(parents=True)
    for number in range(_LABELLED_SLICES):
        (root / f"raw/images/Image{number}.jpg").write_bytes(distinct_slice(number))
    rows = [f"Image{number},{number % 2}" for number in range(_LABELLED_SLICES)]
    (root / "raw/BrainTumor.csv").write_text("\n".join(["Image,Class", *rows]) + "\n")
    return root


class Caller(threading.Thread):
    """Asks for one slice all the time, without ever trying again, and notes who answered."""

    def __init__(self, address: str, image: bytes) -> None:
        super().__init__(daemon=True)
        self.versions: set[int] = set()
        self.errors: list[grpc.RpcError] = []
        self.left = threading.Event()
        self._channel = grpc.insecure_channel(address)
        self._request = pb.PredictRequest(image=image)

    def run(self) -> None:
        predict = ClassifierServiceStub(self._channel).Predict
        with self._channel:
            while not self.left.wait(_PAUSE_S):  # The job shall have some of the machine too.
                try:
                    self.versions.add(predict(self._request, timeout=10).model_version)
                except grpc.RpcError as err:
                    self.errors.append(err)


@pytest.fixture
def callers(gateway: Service, slices: list[bytes]) -> Callable[[], AbstractContextManager[list[Caller]]]:
    """Four callers for as long as a block lasts; none of their calls may fail."""

    @contextmanager
    def calling() -> Iterator[list[Caller]]:
        present = [Caller(gateway.address, image) for image in slices[:4]]
        for caller in present:
            caller.start()
        yield present
        for caller in present:
            caller.left.set()
            caller.join(30)
            assert not caller.is_alive()
        assert [str(err) for caller in present for err in caller.errors] == []

    return calling
