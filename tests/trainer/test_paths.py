"""Paths of callers never lead out of the data root."""

import os
import subprocess
import sys
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


def test_a_name_that_the_locale_has_no_code_for_is_refused_with_the_remedy() -> None:
    """As that of a trainer which was started where files are named in ASCII, or Latin-1; it was an internal error."""
    asked = "from pathlib import Path; from trainer.paths import inside; inside(Path('/'), 'caf\\u00e9', 'image_dir')"
    ascii_alone = {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C"}
    ended = subprocess.run(
        [sys.executable, "-c", asked], env=os.environ | ascii_alone, capture_output=True, text=True, check=False
    )
    assert "InvalidFieldError: image_dir holds '\\xe9', which is in no file name here" in ended.stderr


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
