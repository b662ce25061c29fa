"""The distribution as others install it: its stubs with each protobuf, and nothing heavy behind it."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROUND_TRIP = """
import sys
sys.path.insert(0, sys.argv[1])
import google.protobuf
import braintumor
from braintumor.v1 import classifier_service_pb2, model_service_pb2_grpc, trainer_service_pb2, trainer_service_pb2_grpc
from google.longrunning import operations_pb2

assert google.protobuf.__version__ == sys.argv[2], google.protobuf.__version__
assert braintumor.__file__.startswith(sys.argv[1]), braintumor.__file__
report = trainer_service_pb2.WatchRetrainResponse(operation=operations_pb2.Operation(name="operations/7"))
report.operation.metadata.Pack(trainer_service_pb2.RetrainMetadata(epoch=3))
again = trainer_service_pb2.WatchRetrainResponse.FromString(report.SerializeToString())
metadata = trainer_service_pb2.RetrainMetadata()
assert again.operation.metadata.Unpack(metadata) and metadata.epoch == 3
with braintumor.Client(sys.argv[3]) as client:
    assert client.predict(b"tumor").prediction.label == "Tumor"
    try:
        client.predict(b"broken")
    except braintumor.ServiceError as err:
        assert err.reason == "UNSUPPORTED_FORMAT"
"""


def _python(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, timeout=240, check=False, stdin=subprocess.DEVNULL
    )


@pytest.mark.parametrize("protobuf", ["6.31.1", "7.36.2"])
def test_installs_and_calls_with_protobuf(service, contract_dir, tmp_path, protobuf):
    """With the oldest release that the stubs are made for and the newest, each with the newest of all else."""
    source, target = tmp_path / "source", tmp_path / "target"
    shutil.copytree(contract_dir, source, ignore=shutil.ignore_patterns("__pycache__", "build", "*.egg-info"))
    install = [
        "-m",
        "pip",
        "install",
        "-q",
        "--no-build-isolation",
        "--disable-pip-version-check",
        "--no-warn-conflicts",
    ]
    installed = _python(*install, f"--target={target}", str(source), f"protobuf=={protobuf}")
    if "(from versions: none)" in installed.stderr:
        pytest.skip("no package index is in reach")
    assert installed.returncode == 0, installed.stderr
    called = _python("-I", "-S", "-W", "error", "-c", ROUND_TRIP, str(target), protobuf, service.address)
    assert called.returncode == 0, called.stderr
    assert {"py.typed", "v1/classifier_service_pb2.pyi", "v1/trainer_service_pb2_grpc.pyi"} <= _files(target)


def test_loads_nothing_heavy():
    loaded = _python("-W", "error", "-c", "import sys, braintumor.cli.main; print(*sys.modules)")
    assert loaded.returncode == 0, loaded.stderr
    packages = {module.partition(".")[0] for module in loaded.stdout.split()}
    assert {"braintumor", "click", "google", "grpc"} <= packages
    assert not packages & {"gateway", "keras", "numpy", "pandas", "PIL", "serving", "tensorflow", "trainer"}


def test_the_stubs_alone_load_no_client():
    loaded = _python("-c", "import sys, braintumor.v1.classifier_service_pb2_grpc; print(*sys.modules)")
    assert "braintumor.client" not in loaded.stdout.split()


def test_messages_keep_the_json_of_the_rest_service():
    from braintumor.v1.classifier_service_pb2 import Prediction
    from google.protobuf.json_format import MessageToDict

    assert MessageToDict(Prediction(label="Tumor", probability=0.5)) == {"class": "Tumor", "probability": 0.5}


def _files(target: Path) -> set[str]:
    package = target / "braintumor"
    return {path.relative_to(package).as_posix() for path in package.rglob("*") if path.is_file()}
