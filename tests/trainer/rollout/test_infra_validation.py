"""A version that serving cannot load, or that answers otherwise there, is found out in a serving of its own."""

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from trainer.errors import DiskFullError, OutOfMemoryError
from trainer.rollout.infra_validation import infra_validate

_TIMEOUT_S = 120.0
_VALIDATION = """
import sys
from pathlib import Path
from trainer.rollout.infra_validation import infra_validate
infra_validate(*map(Path, sys.argv[1:]), timeout_s=120)
"""


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    directory = tmp_path / "scratch"
    directory.mkdir()
    return directory


def test_a_version_as_exported_passes(exports, scratch) -> None:
    assert infra_validate(exports["rgb"], scratch, _TIMEOUT_S) == []
    assert not list(scratch.iterdir())
    assert _process_with(f"--model_base_path={scratch}") is None


def test_answers_that_differ_are_told(add_version, falsify, scratch) -> None:
    version = add_version(1)
    falsify(version)

    reasons = infra_validate(version, scratch, _TIMEOUT_S)

    assert len(reasons) == 4
    assert all("ood_score is off by up to 0.1; 0.001 is tolerated" in reason for reason in reasons)


def test_a_version_that_does_not_load_is_told_without_paths(add_version, scratch) -> None:
    version = add_version(1)
    (version / "variables" / "variables.data-00000-of-00001").unlink()

    (reason,) = infra_validate(version, scratch, _TIMEOUT_S)

    assert reason.startswith("the version does not load in a scratch serving: ")
    assert str(scratch) not in reason
    assert not list(scratch.iterdir())


def test_a_version_without_golden_requests_is_told(add_version, scratch) -> None:
    version = add_version(1)
    (version / "assets.extra" / "tf_serving_warmup_requests").unlink()

    (reason,) = infra_validate(version, scratch, _TIMEOUT_S)

    assert "golden requests" in reason


def test_time_is_bounded(exports, scratch) -> None:
    (reason,) = infra_validate(exports["grey"], scratch, timeout_s=0.05)

    assert "within 0.05 s" in reason
    assert not list(scratch.iterdir())


def test_a_scratch_serving_that_is_killed_says_nothing_of_the_version(exports, scratch, eventually) -> None:
    """As the kernel does where memory runs out."""
    with ThreadPoolExecutor() as threads:
        validation = threads.submit(infra_validate, exports["grey"], scratch, 120)
        os.kill(eventually(lambda: _process_with(f"--model_base_path={scratch}")), signal.SIGKILL)
        with pytest.raises(OutOfMemoryError, match="the scratch serving was killed"):
            validation.result()

    assert not list(scratch.iterdir())


def test_a_scratch_serving_without_space_says_nothing_of_the_version(exports, scratch, monkeypatch) -> None:
    words = "Failed to start server. Error: UNKNOWN: 1 servable(s): INTERNAL: No space left on device while loading"
    monkeypatch.setattr(
        "trainer.rollout.infra_validation.leashed",
        lambda *_: (sys.executable, "-c", f"print({words!r}); raise SystemExit(255)"),
    )
    with pytest.raises(DiskFullError, match="no space is left for a scratch serving"):
        infra_validate(exports["grey"], scratch, _TIMEOUT_S)


def test_an_answer_may_take_as_long_as_all_of_it(exports, scratch, monkeypatch) -> None:
    """On a busy machine, or where all was paused, a serving that is late has not broken down."""
    monkeypatch.setattr("trainer.rollout.serving_client._PREDICT_TIMEOUT_S", 0.001)

    assert infra_validate(exports["grey"], scratch, _TIMEOUT_S) == []


def test_a_scratch_serving_that_breaks_down_over_a_golden_request_is_told(exports, scratch, monkeypatch) -> None:
    """It is no version to serve, though serving has loaded it, and was not killed for want of memory."""
    words = "Running gRPC ModelServer at 127.0.0.1:1 ..."
    monkeypatch.setattr(
        "trainer.rollout.infra_validation.leashed", lambda *_: (sys.executable, "-c", f"print({words!r})")
    )
    (reason,) = infra_validate(exports["grey"], scratch, _TIMEOUT_S)

    assert reason.startswith("a scratch serving broke down over a golden request: ")


def test_a_version_has_a_second_scratch_serving_where_the_first_was_paused(exports, scratch, eventually) -> None:
    with ThreadPoolExecutor() as threads:
        validation = threads.submit(infra_validate, exports["grey"], scratch, 20)
        os.kill(eventually(lambda: _process_with(f"--model_base_path={scratch}")), signal.SIGSTOP)

        assert validation.result() == []


def test_a_scratch_serving_ends_with_who_started_it(exports, scratch, eventually) -> None:
    """Also where that is killed outright."""
    validation = subprocess.Popen([sys.executable, "-c", _VALIDATION, str(exports["grey"]), str(scratch)])
    try:
        server = eventually(lambda: _process_with(f"--model_base_path={scratch}"))
    finally:
        validation.kill()
        validation.wait()

    eventually(lambda: not _runs(server))


def _process_with(argument: str) -> int | None:
    for directory in Path("/proc").glob("[0-9]*"):
        try:
            arguments = (directory / "cmdline").read_bytes().decode().split("\0")
        except OSError:
            continue
        if "serving.modelserver" in arguments and any(each.startswith(argument) for each in arguments):
            return int(directory.name)
    return None


def _runs(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
