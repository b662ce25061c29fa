"""How the command ends where not all went well, whichever of its commands it is."""

import os
import signal
import subprocess
from pathlib import Path

import pytest


@pytest.fixture
def slice_path(tmp_path) -> Path:
    path = tmp_path / "slice.jpg"
    path.write_bytes(b"tumor")
    return path


@pytest.mark.usefixtures("slice_path")
@pytest.mark.parametrize(
    "arguments", [["--help"], ["info"], ["info", "--help"], ["predict", "slice.jpg"], ["predict", "."]], ids=" ".join
)
def test_a_full_disk_is_one_line_and_exits_with_1(braintumor, arguments):
    with open("/dev/full", "wb") as full:  # noqa: PTH123 a device
        done = braintumor(*arguments, stdout=full)
    assert done.stderr.endswith("Error: [Errno 28] No space left on device\n")
    assert "Traceback" not in done.stderr
    assert "ignored" not in done.stderr
    assert done.returncode == 1


@pytest.mark.parametrize("arguments", [["--help"], ["info"], ["predict", "slice.jpg"], ["predict", "."]], ids=" ".join)
def test_streams_that_are_closed(executable, environment, slice_path, arguments):
    """A closed stdout is as a full disk; a closed stderr costs its words, a closed stdin its image."""

    def run(closed: str, *words: str) -> "subprocess.CompletedProcess[str]":
        shell = ["sh", "-c", f'exec "$0" "$@" {closed}', executable, *words]
        return subprocess.run(
            shell, env=environment, cwd=slice_path.parent, capture_output=True, text=True, timeout=60, check=False
        )

    no_output, no_errors = run(">&-", *arguments), run("2>&-", *arguments)
    assert no_output.stderr.endswith("Error: [Errno 9] Bad file descriptor\n")
    assert (no_output.returncode, no_errors.returncode) == (1, 0)
    assert no_errors.stdout
    assert "-: cannot be read: Bad file descriptor" in run("<&-", "predict", "-").stderr
    wrong_usage = run("2>&-", "predict", "absent.jpg")
    assert (wrong_usage.stdout, wrong_usage.returncode) == ("", 2)


@pytest.mark.parametrize(
    "arguments",
    [
        ["watch", os.fsdecode(b"\xff")],
        ["predict", "slice.jpg", "--version-label", os.fsdecode(b"\xff")],
        ["predict", ".", "--version-label", os.fsdecode(b"\xff")],
        ["info", "--address", os.fsdecode(b"\xff")],
    ],
    ids=ascii,
)
@pytest.mark.usefixtures("slice_path")
def test_an_argument_that_is_no_text_is_wrong_usage(braintumor, service, arguments):
    done = braintumor(*arguments)
    assert (done.stdout, done.returncode, service.requests) == ("", 2, [])
    assert "Error: " in done.stderr
    assert "Traceback" not in done.stderr


def test_a_name_that_stdout_has_no_letters_for_is_wrong_usage(braintumor, environment, slice_path):
    environment["PYTHONIOENCODING"] = "latin-1"
    slice_path.rename(slice_path.with_name("Łódź.jpg"))
    done = braintumor("predict", ".")
    assert done.stderr.endswith("Error: '\\u0141' is no text in latin-1\n")
    assert done.returncode == 2


@pytest.mark.parametrize("path", ["slice.jpg", "."])
def test_ctrl_c_exits_with_130(executable, environment, service, slice_path, path):
    slice_path.write_bytes(b"hang")
    with subprocess.Popen(
        [executable, "predict", path], env=environment, cwd=slice_path.parent, stderr=subprocess.PIPE, text=True
    ) as process:
        assert service.hanging.wait(30)
        process.send_signal(signal.SIGINT)
        assert process.stderr.read() == "\n"
        assert process.wait(60) == 130
