"""What callers leave out is filled in, what they got wrong is refused."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from trainer.errors import TrainerError
from trainer.jobs.operation import Order
from trainer.jobs.orders import DEFAULT_ORDER, check_paths, completed
from trainer.settings import TrainerSettings

_EMPTY = Order(**dict.fromkeys(Order.__slots__, "") | {"epochs": 0, "seed": 0, "force": False})


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A data root with images and labels where the default is."""
    (tmp_path / "raw/images").mkdir(parents=True)
    (tmp_path / "raw/BrainTumor.csv").write_text("Image,Class\n")
    (tmp_path / "raw/set.zip").write_bytes(b"")
    (tmp_path / "models").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "models")
    (tmp_path / "full/data.npz").mkdir(parents=True)
    (tmp_path / "raw/out.csv").symlink_to("/etc/passwd")
    (tmp_path / "raw/out.npz").symlink_to("/etc/passwd")
    return tmp_path


def test_an_empty_order_is_the_commands_defaults_with_the_architectures_epochs(root: Path) -> None:
    order = completed(_EMPTY)

    assert order == replace(DEFAULT_ORDER, epochs=60)
    check_paths(order, TrainerSettings(DATA_ROOT=root))


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"epochs": -1}, "epochs"),
        ({"epochs": 1001}, "epochs"),
        ({"seed": -1}, "seed"),
        ({"seed": 2**32}, "seed"),
        ({"architecture": "transformer"}, "architecture"),
        ({"npz_filename": "data.zip"}, "npz_filename"),
        ({"npz_filename": "a/data.npz"}, "npz_filename"),
        ({"npz_filename": ".npz"}, "npz_filename"),
        ({"target_file": "../BrainTumor.csv"}, "target_file"),
    ],
)
def test_a_wrong_field_is_named(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(TrainerError) as raised:
        completed(replace(_EMPTY, **changes))

    assert raised.value.field == field
    assert raised.value.status_code.name == "INVALID_ARGUMENT"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"image_dir": "../images"}, "image_dir"),
        ({"image_dir": "raw/nothing"}, "image_dir"),
        ({"image_dir": "raw/BrainTumor.csv"}, "image_dir"),
        ({"image_dir": "raw/other.zip"}, "image_dir"),
        ({"target_dir": "/etc"}, "target_dir"),
        ({"target_file": "Other.csv"}, "target_file"),
        ({"data_dir": "models/brain_tumor"}, "data_dir"),
        ({"data_dir": "link/x"}, "data_dir"),
        ({"data_dir": "raw/BrainTumor.csv"}, "data_dir"),
        ({"data_dir": "raw/BrainTumor.csv/x/y"}, "data_dir"),
        ({"data_dir": "run.unfinished"}, "data_dir"),
        ({"data_dir": "run.replaced/x"}, "data_dir"),
        ({"data_dir": "trainer.db-journal"}, "data_dir"),
        ({"data_dir": "trainer.db-wal/x"}, "data_dir"),
        ({"data_dir": "full"}, "npz_filename"),
        ({"target_file": "out.csv"}, "target_file"),
        ({"data_dir": "raw", "npz_filename": "out.npz"}, "npz_filename"),
    ],
)
def test_a_path_that_leads_nowhere_good_is_named(root: Path, changes: dict[str, Any], field: str) -> None:
    with pytest.raises(TrainerError) as raised:
        check_paths(replace(DEFAULT_ORDER, **changes), TrainerSettings(DATA_ROOT=root))

    assert raised.value.field == field
    assert str(root) not in str(raised.value)


@pytest.mark.parametrize("bound", [{"epochs": 1}, {"epochs": 1000}, {"seed": 2**32 - 1}], ids=str)
def test_what_is_just_within_a_limit_is_taken(bound: dict[str, int]) -> None:
    assert completed(replace(_EMPTY, **bound)) == replace(completed(_EMPTY), **bound)


def test_the_trainers_own_places_are_so_behind_links_too(root: Path) -> None:
    (root / "other_disk").mkdir()
    (root / "models").rmdir()
    (root / "models").symlink_to("other_disk")
    with pytest.raises(TrainerError, match="'models/x' is the trainer's own"):
        check_paths(replace(DEFAULT_ORDER, data_dir="models/x"), TrainerSettings(DATA_ROOT=root))


@pytest.mark.parametrize("target_file", ["manifest.csv", "data.npz", "link.csv"])
def test_a_data_set_is_not_written_over_the_label_file(root: Path, target_file: str) -> None:
    (root / "raw/manifest.csv").write_text("Image,Class\n")
    (root / "raw/data.npz").write_text("Image,Class\n")
    (root / "raw/link.csv").symlink_to("manifest.csv")
    order = replace(DEFAULT_ORDER, target_file=target_file)
    check_paths(order, TrainerSettings(DATA_ROOT=root))
    with pytest.raises(TrainerError, match="over what it is made of") as raised:
        check_paths(replace(order, data_dir="raw"), TrainerSettings(DATA_ROOT=root))
    assert raised.value.field == "data_dir"


@pytest.mark.parametrize("name", ["set.zip", "SET.ZIP"])
def test_an_archive_needs_no_label_file(root: Path, name: str) -> None:
    (root / "raw" / name).touch()
    check_paths(replace(DEFAULT_ORDER, image_dir=f"raw/{name}", target_dir="nothing"), TrainerSettings(DATA_ROOT=root))
