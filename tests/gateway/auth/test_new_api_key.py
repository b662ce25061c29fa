"""The command that makes API keys, as a user runs it."""

import subprocess
import sys
from collections.abc import Sequence

import pytest

from gateway.auth.api_keys import ApiKeys
from gateway.auth.identity import Identity
from gateway.auth.rights import Right
from transport.watched import UnusableFileError


def _new_api_key(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "gateway.new_api_key", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_the_line_lets_the_key_in(tmp_path):
    done = _new_api_key("ward-7", "predict,train")
    (tmp_path / "keys").write_text(done.stdout)
    found = ApiKeys(tmp_path / "keys").find(done.stderr.strip())
    assert found == Identity("ward-7", frozenset({Right.PREDICT, Right.TRAIN}))
    assert done.returncode == 0


def test_a_key_of_two_callers_is_nobodys(tmp_path):
    line = _new_api_key("ward-7", "predict").stdout
    (tmp_path / "keys").write_text(line + line.replace("ward-7", "ward-8"))
    with pytest.raises(UnusableFileError, match=r"keys: 2 lines have the hash [0-9a-f]{8}"):
        ApiKeys(tmp_path / "keys")


def test_help_is_no_error():
    done = _new_api_key("--help")
    assert done.stdout.startswith("usage: python -m gateway.new_api_key NAME RIGHTS >> FILE\n")
    assert "predict, train, admin" in done.stdout
    assert (done.stderr, done.returncode) == ("", 0)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "the following arguments are required: NAME, RIGHTS"),
        (["ward-7"], "the following arguments are required: RIGHTS"),
        (["ward-7", "predict", "train"], "unrecognized arguments: train"),
        (["ward-7", "predict,foo"], "'foo' is no right; the rights are predict, train, admin"),
        (["ward-7", ""], "'' is no right; the rights are predict, train, admin"),
        (["ward 7", "predict"], "'ward 7' is no name: "),
    ],
)
def test_wrong_usage_exits_with_2_and_plain_words(arguments: Sequence[str], complaint: str):
    done = _new_api_key(*arguments)
    assert (done.stdout, done.returncode) == ("", 2)
    assert done.stderr.splitlines()[-1].startswith(f"python -m gateway.new_api_key: error: {complaint}")
