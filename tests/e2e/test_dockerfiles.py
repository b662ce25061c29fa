"""The Dockerfiles, as far as they can be held against something without an engine."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCKERFILES = [ROOT / "gateway" / "Dockerfile", ROOT / "trainer" / "Dockerfile"]


def lint(dockerfile: str) -> "subprocess.CompletedProcess[str]":
    """Has hadolint read one, with all of its rules."""
    command = [Path(sys.executable).with_name("hadolint"), "--failure-threshold=style", "-"]
    return subprocess.run(command, input=dockerfile, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: path.parent.name)
def test_hadolint_finds_nothing(dockerfile):
    done = lint(dockerfile.read_text())
    assert (done.returncode, done.stdout) == (0, "")


def test_hadolint_finds_a_slip_of_the_pen():
    done = lint("FROM python\nRUN cd /app && pip install click\n")
    assert done.returncode == 1
    assert {"DL3006", "DL3013", "DL3042"} <= set(re.findall(r"DL\d+", done.stdout))


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: path.parent.name)
def test_whoever_runs_can_read_what_was_copied(dockerfile):
    """Copied files keep their modes, which may be for their owner alone; compiled ones take those of their sources."""
    last = re.split(r"^FROM ", dockerfile.read_text(), flags=re.MULTILINE)[-1]
    _copied, after = last.rsplit("\nCOPY ", 1)
    readable, compiled, user = (after.index(step) for step in ("chmod -R a+rX .", "-m compileall", "\nUSER "))
    assert readable < compiled < user


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: path.parent.name)
def test_what_runs_can_install_nothing(dockerfile):
    """Its stage begins with the image itself, whose pip goes, and gets an environment that never had one."""
    base, *builders, last = re.split(r"^FROM ", dockerfile.read_text(), flags=re.MULTILINE)[1:]
    assert last.startswith("base AS ")
    assert "RUN" not in base
    (made,) = [stage for stage in builders if "-m venv" in stage]
    assert "-m venv --without-pip /opt/venv" in made
    assert all("pip --python /opt/venv install" in line for line in "".join(builders).splitlines() if "install" in line)
    first, *_ = re.findall(r"^(RUN|COPY) (.*)$", last, re.MULTILINE)
    assert first == (
        "RUN",
        "python -m pip uninstall --yes pip setuptools wheel && rm -r /usr/local/lib/python3.11/ensurepip",
    )
