"""npz files are written in a stream, mapped without loading, and never unpickled."""

import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from trainer.data.npz import Streamed, allocate_pixels, map_npz, write_npz
from trainer.errors import NpzError


def test_streamed_blocks_read_back_as_one_array(tmp_path: Path) -> None:
    whole = np.arange(7 * 6, dtype=np.uint8).reshape(7, 2, 3)
    write_npz(
        tmp_path / "a.npz",
        {"X": Streamed(whole.shape, whole.dtype, iter([whole[:4], whole[4:].astype(float)])), "Y": np.arange(7)},
    )

    arrays = map_npz(tmp_path / "a.npz", ["X", "Y"])

    assert isinstance(arrays["X"], np.memmap)
    np.testing.assert_array_equal(arrays["X"], whole)
    np.testing.assert_array_equal(arrays["Y"], np.arange(7))
    with np.load(tmp_path / "a.npz", allow_pickle=False) as loaded:
        np.testing.assert_array_equal(loaded["X"], whole)


def test_an_array_may_be_larger_than_a_plain_zip_can_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 1000)
    whole = np.arange(5000)

    write_npz(tmp_path / "a.npz", {"X": Streamed(whole.shape, whole.dtype, iter([whole]))})

    np.testing.assert_array_equal(map_npz(tmp_path / "a.npz", ["X"])["X"], whole)


def test_what_numpy_itself_saves_can_be_mapped(tmp_path: Path) -> None:
    by_column = np.asfortranarray(np.arange(6).reshape(2, 3))
    np.savez(tmp_path / "a.npz", X=by_column, Y=np.array("text"))

    arrays = map_npz(tmp_path / "a.npz", ["X", "Y"])

    np.testing.assert_array_equal(arrays["X"], by_column)
    assert str(arrays["Y"]) == "text"


def test_pickled_objects_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", X=np.array([{"code": "to run"}], dtype=object))

    with pytest.raises(NpzError, match="pickled"):
        map_npz(tmp_path / "a.npz", ["X"])


def test_compressed_arrays_are_refused(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "a.npz", X=np.eye(3))

    with pytest.raises(NpzError, match="compressed"):
        map_npz(tmp_path / "a.npz", ["X"])


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no zip", b"\x93NUMPY"])
def test_damaged_files_are_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.npz").write_bytes(content)

    with pytest.raises(NpzError, match=r"a\.npz is no npz file, or damaged"):
        map_npz(tmp_path / "a.npz", ["X"])


@pytest.mark.parametrize(
    ("found", "put"),
    [
        (b"\x93NUMPY", b"\x93NOMPY"),
        (b"(3, 3)", b"(3, 3,"),
        (b"(3, 3)", b"(9, 9)"),
        (b"'<f8'", b"',f8'"),
        (b" 'fort", b"b'fort"),
        (b"(3, 3), }" + b" " * 20, b"(3, 3" + b"0" * 20 + b"), }"),
    ],
    ids=["no array", "no end of its shape", "more than is there", "no type", "no name", "more than can be counted"],
)
def test_a_damaged_array_makes_a_damaged_file(tmp_path: Path, found: bytes, put: bytes) -> None:
    np.savez(tmp_path / "a.npz", X=np.eye(3))
    (tmp_path / "a.npz").write_bytes((tmp_path / "a.npz").read_bytes().replace(found, put))

    with pytest.raises(NpzError, match=r"a\.npz is no npz file, or damaged"):
        map_npz(tmp_path / "a.npz", ["X"])


def test_a_file_that_cannot_be_read_is_told_without_its_place(tmp_path: Path) -> None:
    (tmp_path / "a.npz").mkdir()

    with pytest.raises(NpzError, match=r"^a\.npz cannot be read: Is a directory$"):
        map_npz(tmp_path / "a.npz", ["X"])


def test_a_missing_file_and_a_missing_array_are_told_apart(tmp_path: Path) -> None:
    write_npz(tmp_path / "a.npz", {"X": np.eye(2)})

    with pytest.raises(NpzError, match=r"^a\.npz lacks an array: There is no item named 'Y\.npy'"):
        map_npz(tmp_path / "a.npz", ["Y"])
    with pytest.raises(NpzError, match="does not exist"):
        map_npz(tmp_path / "b.npz", ["X"])


def test_a_file_that_is_replaced_meanwhile_is_read_as_it_was(tmp_path: Path) -> None:
    def written(name: str, number: int) -> Path:
        write_npz(tmp_path / name, {"X": np.full(3, number), "Y": np.full(3, number)})
        return tmp_path / name

    def names() -> Iterator[str]:
        yield "X"
        written("new.npz", 2).replace(tmp_path / "old.npz")
        yield "Y"

    arrays = map_npz(written("old.npz", 1), names())

    assert [array.tolist() for array in arrays.values()] == [[1, 1, 1], [1, 1, 1]]


def test_the_space_of_pixels_is_taken_before_they_are_written(tmp_path: Path) -> None:
    pixels = allocate_pixels(tmp_path / "pixels.npy", (7, 240, 240, 3))

    np.testing.assert_array_equal(pixels, np.zeros((7, 240, 240, 3), np.uint8), strict=True)
    assert (tmp_path / "pixels.npy").stat().st_blocks * 512 >= pixels.nbytes


def test_pixels_that_do_not_fit_take_no_space(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No space left"):
        allocate_pixels(tmp_path / "pixels.npy", (10**13, 240, 240, 3))

    assert not list(tmp_path.iterdir())
