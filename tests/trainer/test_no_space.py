"""A full disk, and a limit of the system, whoever says so."""

import errno
import fcntl
import os
import shutil
from pathlib import Path

import grpc
import pytest

from observability.journal import append
from trainer.errors import AuditTrailUnavailableError, RolloutError, SystemLimitError
from trainer.no_space import is_no_space
from trainer.status import to_status
from transport.status import CODES, reason_of

_FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


def _in_a_circle() -> Exception:
    first, second = ValueError("first"), ValueError("second")
    return _caused(first, _caused(second, first))


@pytest.mark.parametrize(
    ("error", "is_full"),
    [
        (_FULL, True),
        (OSError(errno.EDQUOT, os.strerror(errno.EDQUOT)), True),
        (_caused(RuntimeError("the step failed"), _FULL), True),
        (OSError(errno.EACCES, os.strerror(errno.EACCES)), False),
        (FileNotFoundError(errno.ENOENT, "No such file", "No space left on device.npz"), False),
        (_in_a_circle(), False),
        (MemoryError(), False),
    ],
    ids=["disk", "quota", "cause", "permission", "name of a file", "circle", "memory"],
)
def test_a_full_disk_is_told_from_other_trouble(error: Exception, is_full: bool) -> None:
    assert is_no_space(error) is is_full


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_tree_that_cannot_be_copied_says_why(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/file").write_text("content")

    def copy(source: str, _target: str) -> object:
        return shutil.copyfile(source, "/dev/full")

    with pytest.raises(shutil.Error) as caught:
        shutil.copytree(tmp_path / "tree", tmp_path / "copy", copy_function=copy)
    assert caught.value.errno is None
    assert is_no_space(caught.value)


def test_a_caller_hears_of_it() -> None:
    status = to_status(_FULL)
    assert "no space is left" in status.message
    assert len(status.details) == 2  # ErrorInfo and RetryInfo


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(errno.EMFILE, os.strerror(errno.EMFILE), "/secret/models"), "SYSTEM_LIMIT"),
        (OSError(errno.ENFILE, os.strerror(errno.ENFILE)), "SYSTEM_LIMIT"),
        (BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN)), "SYSTEM_LIMIT"),
        (_caused(RolloutError("no"), OSError(errno.EMFILE, os.strerror(errno.EMFILE))), "SYSTEM_LIMIT"),
        (SystemLimitError("the limit"), "SYSTEM_LIMIT"),
        (OSError(errno.ENOMEM, os.strerror(errno.ENOMEM)), "OUT_OF_MEMORY"),
    ],
    ids=["files", "files of all", "processes", "cause", "as it is", "memory"],
)
def test_a_caller_hears_of_a_limit_of_the_system(error: Exception, reason: str) -> None:
    status = to_status(error)
    assert (CODES[status.code], reason_of(status)) == (grpc.StatusCode.RESOURCE_EXHAUSTED, reason)
    assert "/secret" not in status.message


def test_a_trail_that_somebody_holds_is_no_limit_of_the_system(tmp_path: Path) -> None:
    with (tmp_path / "trail").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(OSError, match="Somebody else holds its lock") as caught:
            append(tmp_path / "trail", b"{}\n", patience_s=0)
    assert reason_of(to_status(_caused(AuditTrailUnavailableError("no"), caught.value))) == "AUDIT_LOG_UNAVAILABLE"


def test_a_caller_hears_of_other_trouble_with_files_and_the_log_names_them(caplog: pytest.LogCaptureFixture) -> None:
    status = to_status(PermissionError(errno.EACCES, os.strerror(errno.EACCES), "/secret/models"))
    assert status.message == "a file or directory cannot be read or written: Permission denied; the log names it"
    assert "/secret/models" in caplog.text


def test_what_is_no_trouble_with_files_stays_inside() -> None:
    for error in (OSError(errno.ECONNRESET, os.strerror(errno.ECONNRESET)), OSError("/secret")):
        assert to_status(error).message.startswith("Internal error.")
