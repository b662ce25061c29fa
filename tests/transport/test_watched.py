"""Files are followed, and what cannot be used is not, which is told as long as it lasts."""

import logging
import os
from pathlib import Path

import pytest

from transport.watched import UnusableFileError, Watched


def _number(path: Path) -> int:
    try:
        return int(path.read_text())
    except ValueError as err:
        raise UnusableFileError(f"{path} is no number") from err


def test_what_cannot_be_used_is_told_until_it_is_mended(tmp_path: Path) -> None:
    file = tmp_path / "number"
    file.write_text("1")
    noted: list[tuple[str, bool]] = []
    watched = Watched([file], lambda: _number(file), lambda *told: noted.append(told), pause_s=0.0)
    assert (watched.get(), noted) == (1, [(str(file), False)])
    file.write_text("many")
    assert (watched.get(), noted[-1]) == (1, (str(file), True))
    file.unlink()
    assert (watched.get(), noted[-1]) == (1, (str(file), True))
    file.write_text("20")
    assert (watched.get(), noted[-1]) == (20, (str(file), False))


def test_a_file_in_the_place_of_another_is_read_though_it_has_its_size_and_time(tmp_path: Path) -> None:
    file, other = tmp_path / "number", tmp_path / "other"
    file.write_text("1")
    other.write_text("2")
    for each in (file, other):
        os.utime(each, (1, 1))
    watched = Watched([file], lambda: _number(file), lambda *_: None, pause_s=0.0)
    other.replace(file)
    assert watched.get() == 2


def test_a_file_that_is_written_anew_is_read_though_it_has_its_size_and_time(tmp_path: Path) -> None:
    """As by `cp -p`, where all files of a release have one time."""
    file = tmp_path / "number"
    file.write_text("1")
    os.utime(file, (1, 1))
    written_ns = file.stat().st_ctime_ns
    watched = Watched([file], lambda: _number(file), lambda *_: None, pause_s=0.0)
    while file.stat().st_ctime_ns == written_ns:  # clocks of file systems tick a few hundred times a second
        file.write_text("2")
        os.utime(file, (1, 1))
    assert watched.get() == 2


def test_each_problem_is_logged_once_however_often_one_looks(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "number"
    file.write_text("1")
    watched = Watched([file], lambda: _number(file), lambda *_: None, pause_s=0.0)
    caplog.set_level(logging.ERROR)
    for spoil in (lambda: file.write_text("many"), file.unlink, lambda: file.write_text("2"), file.unlink):
        spoil()
        for _ in range(3):
            watched.get()
    assert [record.message for record in caplog.records] == ["changed file is not used"] * 3


def test_what_cannot_be_used_at_the_start_is_told_there(tmp_path: Path) -> None:
    with pytest.raises(UnusableFileError, match="cannot be read: No such file"):
        Watched([tmp_path / "absent"], lambda: _number(tmp_path / "absent"), lambda *_: None)


def test_a_file_that_could_not_be_read_for_a_moment_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "number"
    file.write_text("1")
    away = [True]

    def read() -> int:
        if file.read_text() == "2" and away:
            away.pop()
            raise OSError("away")
        return int(file.read_text())

    watched = Watched([file], read, lambda *_: None, pause_s=0.0)
    file.write_text("2")
    os.utime(file, (1, 1))
    assert [watched.get(), watched.get()] == [1, 2]
