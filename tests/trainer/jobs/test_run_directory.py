"""One process works in a run directory, and one that was left over is ended first."""

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from trainer.errors import TrainerError
from trainer.jobs import run_directory
from trainer.jobs.run_directory import evict, hold, in_use, prune, renewed

_HOLDER = """
import subprocess, sys
from pathlib import Path
from trainer.jobs.run_directory import hold
lock = hold(Path(sys.argv[1]))
helper = subprocess.Popen([sys.executable, "-c", "import time; print(1, flush=True); time.sleep(600)"])
print("holds", flush=True)
helper.wait()
"""

_RENEWER = """
import sys
from pathlib import Path
from trainer.jobs.run_directory import renewed
with renewed(Path(sys.argv[1])):
    pass
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator["subprocess.Popen[str]"]:
    """A process that holds the directory, as another one did before, in a group with one that it started."""
    with hold(tmp_path):
        pass
    process = subprocess.Popen(
        [sys.executable, "-c", _HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdout is not None
    assert {process.stdout.readline(), process.stdout.readline()} == {"holds\n", "1\n"}
    yield process
    with contextlib.suppress(ProcessLookupError):  # of a test that has ended them all
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()


@pytest.mark.usefixtures("holder")
def test_a_second_process_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainerError, match="another process"):
        hold(tmp_path)


def test_what_was_there_stays_until_all_is_well(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run/old").touch()

    with contextlib.suppress(ZeroDivisionError), renewed(tmp_path / "run") as unfinished:
        (unfinished / "half").touch()
        raise ZeroDivisionError
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["old"]
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    with renewed(tmp_path / "run") as unfinished:
        assert [path.name for path in unfinished.iterdir()] == ["lock"]
        with pytest.raises(TrainerError, match="another process"), renewed(tmp_path / "run"):
            pass
        (unfinished / "new").touch()

    assert {path.name for path in (tmp_path / "run").iterdir()} == {"lock", "new"}
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_what_was_there_outlives_a_kill_while_it_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "run.replaced").mkdir()
    (tmp_path / "run.replaced/old").touch()
    (tmp_path / "run.unfinished").mkdir()

    with contextlib.suppress(KeyboardInterrupt), renewed(tmp_path / "run"):
        raise KeyboardInterrupt

    assert [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")] == ["run", "run/old"]


def test_what_was_replaced_goes_with_the_next_where_a_kill_has_left_it(tmp_path: Path) -> None:
    for name in ("run", "run.replaced"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "old").touch()

    with renewed(tmp_path / "run") as unfinished:
        (unfinished / "new").touch()

    assert {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")} == {"run", "run/lock", "run/new"}


def test_curves_of_what_was_broken_off_stay_until_the_next(tmp_path: Path) -> None:
    with contextlib.suppress(KeyboardInterrupt), renewed(tmp_path / "run") as unfinished:
        (unfinished / "tensorboard").mkdir()
        (unfinished / "pixels.npy").touch()
        raise KeyboardInterrupt

    assert [path.name for path in (tmp_path / "run.unfinished").iterdir()] == ["tensorboard"]
    with renewed(tmp_path / "run") as unfinished:
        assert [path.name for path in unfinished.iterdir()] == ["lock"]


def test_what_is_in_use_is_replaced_afterwards(tmp_path: Path) -> None:
    with pytest.raises(TrainerError, match="nothing has been trained yet"), in_use(tmp_path / "run"):
        pass
    with renewed(tmp_path / "run") as unfinished:
        (unfinished / "old").touch()
    with in_use(tmp_path / "run"):
        renewing = subprocess.Popen([sys.executable, "-c", _RENEWER, str(tmp_path / "run")])
        with pytest.raises(subprocess.TimeoutExpired):
            renewing.wait(2)
        assert (tmp_path / "run/old").exists()

    assert renewing.wait(30) == 0
    assert not (tmp_path / "run/old").exists()


def test_who_does_not_wait_for_what_is_in_use_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    with in_use(tmp_path / "run"):
        renewing = subprocess.Popen([sys.executable, "-c", _RENEWER, str(tmp_path / "run")], stderr=subprocess.DEVNULL)
        with pytest.raises(subprocess.TimeoutExpired):
            renewing.wait(2)
        renewing.send_signal(signal.SIGINT)
        assert renewing.wait(30) != 0

    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_the_holder_is_ended_with_its_group(tmp_path: Path, holder: "subprocess.Popen[str]") -> None:
    evict(tmp_path)

    assert holder.wait(10) == -9
    assert holder.stdout is not None
    assert holder.stdout.read() == ""  # so the one that it started is gone as well
    with hold(tmp_path):
        pass


def test_a_holder_that_does_not_go_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as one of another user, or in another container: here there is none of that number."""
    monkeypatch.setattr(run_directory, "_EVICTION_TIMEOUT_S", 0.0)
    with (tmp_path / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write(str(2**30))
        lock.flush()
        with pytest.raises(TrainerError, match=f"process {2**30} still works"):
            evict(tmp_path)


def test_a_directory_that_nobody_holds_is_left_alone(tmp_path: Path) -> None:
    with hold(tmp_path):
        pass
    evict(tmp_path)
    evict(tmp_path / "other")

    assert [path.name for path in tmp_path.iterdir()] == ["lock"]


def test_log_and_curves_stay(tmp_path: Path) -> None:
    for directory in ("tensorboard/train", "candidate/variables"):
        (tmp_path / directory).mkdir(parents=True)
    for file in ("log.txt", "training.json", "lock", "candidate/variables/a"):
        (tmp_path / file).write_text("")
    prune(tmp_path)

    assert sorted(path.name for path in tmp_path.iterdir()) == ["log.txt", "tensorboard"]
