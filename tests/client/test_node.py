"""The example in Node, installed and run against a server of the contract."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

NETWORK_ERRORS = ("EAI_AGAIN", "ECONNREFUSED", "ECONNRESET", "ENETUNREACH", "ENOTFOUND", "ETIMEDOUT")


@pytest.fixture(scope="module")
def example(tmp_path_factory) -> Path:
    """The example in a folder of its own, with what it depends on."""
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    source = Path(__file__).parents[2] / "examples" / "node"
    folder = tmp_path_factory.mktemp("node") / "example"
    shutil.copytree(source, folder, ignore=shutil.ignore_patterns("node_modules"))
    installed = subprocess.run(
        ["npm", "install", "--ignore-scripts", "--engine-strict"],  # noqa: S607 the npm of whoever runs the tests
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    if any(error in installed.stderr for error in NETWORK_ERRORS):
        pytest.skip("no package registry is in reach")
    assert installed.returncode == 0, installed.stderr
    assert not (folder / "package-lock.json").exists()
    return folder


def _predict(example: Path, protos: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["node", "predict.js", *arguments],  # noqa: S607 the node of whoever runs the tests
        cwd=example,
        env={**os.environ, "BRAINTUMOR_PROTOS": str(protos)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_prints_the_verdict_as_json(service, example, contract_dir, tmp_path):
    (tmp_path / "slice.jpg").write_bytes(b"unsure")
    done = _predict(example, contract_dir, str(tmp_path / "slice.jpg"), service.address)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "prediction": {"class": "No Tumor", "probability": 0.4118, "reliability": "UNCERTAIN", "ood_score": 0.6},
        "model_name": "brain_tumor",
        "model_version": 1,
    }


def test_an_explanation_may_be_larger_than_grpc_receives_by_default(service, example, contract_dir, tmp_path):
    (tmp_path / "slice.jpg").write_bytes(b"large")
    done = _predict(example, contract_dir, str(tmp_path / "slice.jpg"), service.address)
    assert (done.returncode, done.stderr) == (0, "")


def test_says_why_there_is_none(service, example, contract_dir, tmp_path):
    (tmp_path / "slice.jpg").write_bytes(b"broken")
    done = _predict(example, contract_dir, str(tmp_path / "slice.jpg"), service.address)
    assert (done.stdout, done.returncode) == ("", 1)
    assert done.stderr.startswith("INVALID_ARGUMENT: the bytes are no image")


def test_a_file_that_is_not_there_is_told_in_one_line(service, example, contract_dir):
    done = _predict(example, contract_dir, "nowhere.jpg", service.address)
    assert (done.stdout, done.returncode) == ("", 2)
    assert done.stderr.splitlines() == ["ENOENT: no such file or directory, open 'nowhere.jpg'"]
