"""What `make` installs into: a `.venv` of a Python that will do, and one that is whole."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).parents[2]


@pytest.fixture
def checkout(tmp_path) -> Path:
    """One in which nothing is to be installed, and no more than `.venv` is made."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / "requirements").mkdir()
    (tmp_path / "protos").mkdir()
    for name in ("requirements/run.txt", "pyproject.toml", "protos/pyproject.toml"):
        (tmp_path / name).touch()
    return tmp_path


def _install(checkout: Path, python: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["make", f"PYTHON={python}", ".venv/.installed-run"],  # noqa: S607 the make of whoever runs the tests
        cwd=checkout,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def _script(path: Path, lines: str) -> str:
    path.write_text(f"#!/bin/sh\n{lines}\n")
    path.chmod(0o755)
    return str(path)


def test_another_python_is_refused_before_it_is_kept(checkout):
    """Which one a `.venv` has is settled when it is made: later a better one would not be used."""
    as_314 = "import sys; sys.version_info = (3, 14, 0, 'final', 0); code = sys.argv.pop(1); exec(code)"
    python = _script(checkout / "python3.14", f'[ "$1" = -c ] && shift; exec {sys.executable} -c "{as_314}" "$@"')
    refused = _install(checkout, python)
    assert refused.returncode != 0
    told = f"{python} is Python 3.14, and this needs one of 3.11 3.12 3.13: name it, as in make run PYTHON=python3.13"
    assert refused.stderr.splitlines()[0] == told
    assert not (checkout / ".venv").exists()


def test_an_environment_that_was_half_made_is_made_whole(checkout):
    """As on Debian, where python3-venv is missing, and then installed: without it there is no pip."""
    debian = f'[ "$1" = -m ] && {{ {sys.executable} -m venv --without-pip .venv; exit 1; }}; exec {sys.executable} "$@"'
    assert _install(checkout, _script(checkout / "python3", debian)).returncode != 0
    assert (checkout / ".venv/bin/python").exists()
    assert "No module named pip" not in _install(checkout, sys.executable).stderr
    assert (checkout / ".venv/bin/pip").exists()


def test_make_takes_the_pythons_that_the_service_is_for():
    named = re.search(r"^PYTHONS := (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert named is not None
    asked = SpecifierSet(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"])
    assert named[1].split() == [f"3.{minor}" for minor in range(20) if f"3.{minor}" in asked]
