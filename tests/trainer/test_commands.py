"""The commands, one after the other, as a user runs them."""

import errno
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from trainer.__main__ import run
from trainer.architectures import architecture_named
from trainer.cross_validation import directory_name
from trainer.data.npz import write_npz
from trainer.dataset import Split
from trainer.errors import PublicationError
from trainer.figures import Evaluation
from trainer.record import write_record
from trainer.settings import TrainerSettings
from transport.environment import SettingsError, settings_from_environment


def _trainer(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "trainer", *arguments]
    return subprocess.run(
        command, env=os.environ | {"DATA_ROOT": str(root)}, capture_output=True, text=True, timeout=240, check=False
    )


def _caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


def test_from_archive_to_version(tmp_path: Path, slice_files: dict[str, bytes], label_file: Path) -> None:
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        archive.write(label_file, "BrainTumor.csv")
        for name, content in slice_files.items():
            archive.writestr(f"images/{name}.jpg", content)
    root = tmp_path / "data"

    built = _trainer(root, "build-dataset", "--zip", str(tmp_path / "set.zip"))
    assert built.returncode == 0, built.stderr
    assert "train_slices" in built.stdout
    trained = _trainer(root, "train", "--epochs", "1")
    assert trained.returncode == 0, trained.stderr
    assert all(name in trained.stdout for name in ("loss", "accuracy", "val_loss", "val_accuracy"))
    evaluated = _trainer(root, "evaluate")
    assert evaluated.returncode == 0, evaluated.stderr
    assert "sensitivity" in evaluated.stdout
    twice = ["--compare", "the same", str(root / "run/candidate")] * 2
    assert "a name of its own" in _trainer(root, "publish", *twice).stderr
    published = _trainer(
        root, "publish", "--data-source", "made up", "--compare", "the same again", str(root / "run/candidate")
    )
    assert published.returncode == 0, published.stderr
    assert published.stdout.startswith("published brain_tumor version 1, which no gate has held against")
    assert (root / "models/brain_tumor/1/saved_model.pb").exists()
    report = (root / "models/brain_tumor/1/assets.extra/report.html").read_text()
    assert "difference from the same again" in report
    assert "48 slices, 24 with tumor" in report  # as build-dataset counted them

    refitted = _trainer(root, "refit", "1")
    assert refitted.returncode == 0, refitted.stderr
    assert "kept the network of version 1" in refitted.stdout
    assert _trainer(root, "evaluate").stdout == evaluated.stdout  # the same network on the same slices
    assert _trainer(root, "publish").returncode == 0
    assert json.loads((root / "models/rollout.json").read_text())["stable"] == 1  # until somebody promotes the other
    card = json.loads((root / "models/brain_tumor/2/assets.extra/model_card.json").read_text())
    assert (card["parent_version"], card["network_of_version"], card["epochs"]) == (1, 1, 0)

    # What cannot be done leaves what was trained, and what was split anew is no test of it.
    assert _trainer(root, "train", "--seed", "-1").returncode == 2
    assert _trainer(root, "build-dataset", "--zip", str(tmp_path / "set.zip"), "--seed", "2").returncode == 0
    for step in ("evaluate", "publish"):
        told = _trainer(root, step)
        assert told.returncode == 1
        assert "are among those that the network was fitted to" in told.stderr
    flattered = _trainer(root, "evaluate", "--version", "1")
    assert flattered.returncode == 0
    assert flattered.stdout.startswith("version 1 was fitted to ")
    (root / "train/train_data.npz").write_bytes(b"no split")
    assert _trainer(root, "train").returncode == 1
    assert (root / "run/training.json").exists()


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["train"], "train_data.npz does not exist"),
        (["evaluate"], "nothing has been trained yet"),
        (["evaluate", "--version", "9"], "version 9 does not exist"),
        (["publish"], "nothing has been trained yet"),
        (["refit", "1"], "version 1 does not exist"),
        (["train", "--architecture", "transformer"], "none of: residual_cnn, seed_cnn"),
        (["build-dataset"], "image directory images cannot be read"),
    ],
)
def test_a_step_without_the_one_before_says_what_to_do(tmp_path: Path, arguments: list[str], text: str) -> None:
    ended = _trainer(tmp_path, *arguments)

    assert ended.returncode == 1
    assert text in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--data-dir", "raw", "--npz-filename", "l.csv"], 'npz_filename must end in ".npz"'),
        (["--npz-filename", "manifest.csv"], 'npz_filename must end in ".npz"'),
        (["--data-dir", ".", "--npz-filename", "raw"], 'npz_filename must end in ".npz"'),
        (["--npz-filename", "a/data.npz"], "npz_filename is the name of a file"),
        (["--data-dir", "raw", "--npz-filename", "dir.npz"], "dir.npz is a directory where a file would be written"),
        (["--data-dir", "raw/l.csv"], "data_dir names a file"),
        (["--data-dir", "raw", "--target-file", "manifest.csv"], "over what it is made of"),
        (["--data-dir", "raw", "--npz-filename", "set.npz", "--zip", "raw/set.npz"], "over what it is made of"),
        (["--data-dir", "train", "--npz-filename", "train_data.npz"], "over one of its splits"),
        (["--data-dir", "test/../test", "--npz-filename", "test_data.npz"], "over one of its splits"),
    ],
)
def test_a_data_set_is_written_over_nothing_of_the_user_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], text: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "raw/dir.npz").mkdir(parents=True)
    for name in ("l.csv", "manifest.csv", "set.npz"):
        (tmp_path / "raw" / name).write_text("Image,Class\n")
    before = sorted(tmp_path.rglob("*"))

    ended = _trainer(tmp_path, "build-dataset", "--target-file", "l.csv", *arguments)

    assert (ended.returncode, ended.stderr.count("\n")) == (1, 1), ended.stderr
    assert text in ended.stderr
    assert sorted(tmp_path.rglob("*")) == before
    assert (tmp_path / "raw/l.csv").read_text() == "Image,Class\n"


def test_a_data_set_by_hand_may_lie_outside_the_data_root(tmp_path: Path, image_dir: Path, label_file: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    places = ["--image-dir", str(image_dir), "--target-dir", str(label_file.parent), "--data-dir", str(elsewhere)]

    built = _trainer(tmp_path / "data", "build-dataset", *places)

    assert built.returncode == 0, built.stderr
    assert sorted(path.name for path in elsewhere.iterdir()) == ["data.npz", "manifest.csv"]


def test_figures_of_folds_that_were_done_before_are_told_as_such(tmp_path: Path) -> None:
    labels, pixels = np.arange(4) % 2, np.zeros((4, 240, 240, 1), np.uint8)
    (tmp_path / "processed").mkdir()
    write_npz(
        tmp_path / "processed/data.npz", {"X": pixels, "Y": labels, "group": np.arange(4), "fingerprint": np.array("f")}
    )
    name = directory_name(Split(pixels, labels, np.arange(4), "f"), architecture_named(""), 0, 1, 2)
    for fold in range(2):
        directory = tmp_path / "cross-validation" / name / f"fold-{fold}"
        directory.mkdir(parents=True)
        write_record(directory / "evaluation.json", Evaluation(2, 1.0, 1.0, 1.0, 1.0, 1, 0, 1, 0))

    ended = _trainer(tmp_path, "cross-validate", "--folds", "2")

    assert ended.returncode == 0, ended.stderr
    assert [line.endswith("specificity 1.0000  kept from before") for line in ended.stdout.splitlines()[:2]] == [
        True
    ] * 2


@pytest.mark.parametrize(
    ("path", "status", "text"),
    [
        ("slice", 2, "give slice a suffix such as .png"),
        ("x.foo", 2, "give x.foo a suffix such as .png"),
        ("x.psd", 2, "give x.psd a suffix such as .png"),  # Pillow reads these and writes none
        ("nodir/x.png", 1, "nodir/x.png': No such file or directory"),
    ],
)
def test_a_slice_that_cannot_be_drawn_there_is_one_line(tmp_path: Path, path: str, status: int, text: str) -> None:
    ended = _trainer(tmp_path, "synthetic-slice", str(tmp_path / path))

    assert ended.returncode == status
    assert ended.stderr.splitlines()[-1].startswith("Error: ")
    assert "Traceback" not in ended.stderr
    assert text.replace("give ", f"give {tmp_path}/") in ended.stderr
    assert not list(tmp_path.iterdir())


def test_a_slice_is_drawn_where_the_user_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert _trainer(tmp_path / "data", "synthetic-slice", "slice.png").stdout == "drew slice.png\n"
    assert (tmp_path / "slice.png").exists()


@pytest.mark.parametrize(
    ("variable", "value", "text"),
    [
        ("TRAINER_JOB_THREADS", "0", "TRAINER_JOB_THREADS: Input should be greater than or equal to 1"),
        ("TRAINER_JOB_THREAD", "1", "TRAINER_JOB_THREAD sets nothing; did you mean TRAINER_JOB_THREADS?"),
    ],
)
def test_a_setting_that_cannot_be_is_one_line(tmp_path, monkeypatch, variable, value, text):
    monkeypatch.setenv(variable, value)
    run = _trainer(tmp_path, "write-config")
    assert (run.returncode, run.stderr) == (2, f"{text}\n")


def test_a_daemon_whom_others_could_reach_does_not_start(tmp_path, monkeypatch):
    monkeypatch.setenv("TRAINER_ADDRESS", "0.0.0.0:0")
    run = _trainer(tmp_path, "serve")
    assert (run.returncode, run.stderr[:27], run.stderr.count("\n")) == (2, "The trainer does not start:", 1)


_FULL = os.strerror(errno.ENOSPC)


@pytest.mark.parametrize(
    "error",
    [
        _caused(PublicationError("its files cannot be copied"), shutil.Error([("a", "b", f"[Errno 28] {_FULL}")])),
        tf.errors.ResourceExhaustedError(None, None, f"/data/run.unfinished/candidate; {_FULL}"),
    ],
    ids=["publish", "train"],
)
def test_a_full_disk_is_one_line(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def full() -> None:
        raise error

    monkeypatch.setattr("trainer.__main__.main", full)
    with pytest.raises(SystemExit, match=r"^DiskFullError: no space is left under the data root; free some"):
        run()


def test_the_help_of_the_daemon_tells_all_settings(tmp_path: Path) -> None:
    told = _trainer(tmp_path, "serve", "--help").stdout
    for variable in ("DATA_ROOT (default: 'data')", "SERVING_ADDRESS (default: '127.0.0.1:8500')", "TRAINER_TLS__KEY"):
        assert variable in told


@pytest.mark.parametrize("name", ["copy [1]", "back\\slash"])
def test_a_data_root_that_tensorflow_takes_for_a_pattern_is_refused(tmp_path: Path, name: str) -> None:
    """It loads no model from there, as each training would find out at its end."""
    refused = _trainer(tmp_path / name, "write-config")
    assert (refused.returncode, refused.stderr[:10]) == (2, "DATA_ROOT:")
    assert "name one without" in refused.stderr


def test_an_empty_data_root_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """It was the present directory for the trainer, and the default one for the serving that `make run` starts."""
    monkeypatch.setenv("DATA_ROOT", "")
    with pytest.raises(SettingsError, match=r"^DATA_ROOT: .*it is empty; name a directory"):
        settings_from_environment(TrainerSettings)


def test_an_address_of_serving_that_is_none_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVING_ADDRESS", "127.0.0.1:8500,,127.0.0.1:8501")
    refused = _trainer(tmp_path, "write-config")
    assert (refused.returncode, refused.stderr[:16]) == (2, "SERVING_ADDRESS:")
