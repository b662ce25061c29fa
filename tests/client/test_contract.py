"""The contract's own tools: they pass on the contract, and fail where they should."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from braintumor.v1 import classifier_service_pb2, model_service_pb2, trainer_service_pb2

CLASSIFIER = "braintumor/v1/classifier_service.proto"
Tool = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def contract(contract_dir, tmp_path) -> Path:
    """A copy of the contract that a test may spoil."""
    return Path(shutil.copytree(contract_dir, tmp_path / "protos", ignore=shutil.ignore_patterns("__pycache__")))


@pytest.fixture
def tool(contract) -> Tool:
    def run(script: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, contract / script, *arguments], capture_output=True, text=True, timeout=60, check=False
        )

    return run


def _replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_the_stubs_are_up_to_date_and_the_rules_are_kept(tool):
    for checked in (tool("generate.py", "--check"), tool("lint.py")):
        assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


def test_go_stubs_need_no_word_of_where_they_lie():
    """protoc-gen-go refuses a file without an import path, which has a slash; all files are one Go package."""
    files = (classifier_service_pb2, model_service_pb2, trainer_service_pb2)
    assert {file.DESCRIPTOR.GetOptions().go_package for file in files} == {"braintumor/v1;braintumorv1"}


def test_a_stub_that_is_not_up_to_date_is_named(contract, tool):
    _replace(
        contract / CLASSIFIER, "double ood_score = 4;", "double ood_score = 4;\n  // How sure.\n  double sure = 5;"
    )
    checked = tool("generate.py", "--check")
    assert checked.returncode == 1
    assert "run `python protos/generate.py`" in checked.stderr
    assert "braintumor/v1/classifier_service_pb2.py" in checked.stderr
    assert "model_service" not in checked.stderr
    assert tool("generate.py").returncode == 0
    assert tool("generate.py", "--check").returncode == 0


def test_a_stub_without_its_proto_file_is_removed(contract, tool):
    orphan = contract / "python/braintumor/v1/gone_service_pb2.py"
    orphan.touch()
    assert "gone_service_pb2.py" in tool("generate.py", "--check").stderr
    tool("generate.py")
    assert not orphan.exists()


def test_a_proto_file_that_does_not_compile_is_no_traceback(contract, tool):
    _replace(contract / CLASSIFIER, "double ood_score = 4;", "doubt ood_score = 4;")
    refused = tool("generate.py")
    assert refused.returncode == 1
    assert '"doubt" is not defined' in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("double ood_score = 4;", "double ood_score = 4;\n  double sure = 5;", 'Field "sure"'),
        ("GetServiceInfoRequest", "InfoRequest", '"InfoRequest" should be named'),
        ("// Never sent.\n  RELIABILITY_UNSPECIFIED", "// Never sent.\n  RELIABILITY_NONE", "_UNSPECIFIED"),
    ],
    ids=["no comment", "name of a request", "value of zero"],
)
def test_lint_refuses(contract, tool, old, new, complaint):
    _replace(contract / CLASSIFIER, old, new)
    refused = tool("lint.py")
    assert refused.returncode == 1
    assert complaint in refused.stdout
    assert "buf lint failed" in refused.stderr


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("double ood_score = 4;", "double oddity = 4;", 'changed name from "ood_score" to "oddity"'),
        ("double ood_score = 4;", "double ood_score = 5;", 'field "4" with name "ood_score"'),
        ("double ood_score = 4;", "float ood_score = 4;", 'from "double" to "float"'),
        ('[json_name = "class"]', "", "json_name"),
        ("returns (stream PredictStreamResponse)", "returns (PredictStreamResponse)", "streaming"),
    ],
    ids=["rename", "renumber", "retype", "json", "stream"],
)
def test_what_breaks_callers_is_refused(contract, tool, old, new, complaint):
    _replace(contract / CLASSIFIER, old, new)
    refused = tool("lint.py")
    assert refused.returncode == 1
    assert complaint in refused.stdout
    assert "buf breaking failed" in refused.stderr


def test_a_release_moves_the_baseline(contract, tool):
    """An addition passes; once it is released, taking it back does not."""
    _replace(
        contract / CLASSIFIER, "double ood_score = 4;", "double ood_score = 4;\n  // How sure.\n  double sure = 5;"
    )
    assert tool("lint.py").returncode == 0
    assert tool("lint.py", "--release").returncode == 0
    _replace(contract / CLASSIFIER, "  // How sure.\n  double sure = 5;", "")
    assert 'field "5" with name "sure"' in tool("lint.py").stdout
