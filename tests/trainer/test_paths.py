"""Paths of callers never lead out of the data root."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.errors import InvalidFieldError
from trainer.paths import inside, require_name


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A data root with links in it and a secret beside it."""
    root = tmp_path / "data"
    (root / "raw").mkdir(parents=True)
    (tmp_path / "secret").mkdir()
    (root / "out").symlink_to(tmp_path / "secret")
    (root / "in").symlink_to(root / "raw")
    (root / "loop").symlink_to(root / "loop")
    return root


@pytest.mark.parametrize(
    ("path", "leads_to"),
    [("raw", "raw"), ("raw/new/dir", "raw/new/dir"), ("in/new", "raw/new"), (".", "."), ("ä b", "ä b")],
)
def test_a_path_below_the_root_is_resolved(root: Path, path: str, leads_to: str) -> None:
    assert inside(root, path, "image_dir") == (root / leads_to).resolve()


@pytest.mark.parametrize(
    "path",
    [
        "",
        " ",
        "/etc/passwd",
        "//etc",
        "..",
        "../secret",
        "raw/../../secret",
        "raw/../raw",
        "out",
        "out/file",
        "loop/file",
        "raw\0",
        "raw\n",
        "a" * 256,
        "ä" * 128,
        "a/" * 600,
    ],
)
def test_every_other_path_is_refused_with_its_field(root: Path, path: str) -> None:
    with pytest.raises(InvalidFieldError) as raised:
        inside(root, path, "image_dir")

    assert raised.value.field == "image_dir"
    assert str(root) not in str(raised.value)


def test_a_root_that_is_a_link_is_no_way_out(root: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(root)

    assert inside(tmp_path / "link", "raw", "image_dir") == root.resolve() / "raw"


@given(st.text())
def test_no_text_leads_out(path: str) -> None:
    root = Path("/nowhere/data")
    try:
        resolved = inside(root, path, "image_dir")
    except InvalidFieldError:
        return
    assert resolved.is_relative_to(root)


@pytest.mark.parametrize("name", ["", "a/b.npz", "/a.npz", "..", ".hidden", "a\\b.npz", "a\0.npz", "a" * 300])
def test_a_name_is_one_visible_name(name: str) -> None:
    with pytest.raises(InvalidFieldError, match="npz_filename"):
        require_name(name, "npz_filename")
