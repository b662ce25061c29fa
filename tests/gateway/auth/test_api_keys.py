"""The file of API keys."""

import hashlib

import pytest

from gateway.auth.api_keys import ApiKeys, new_key
from gateway.auth.rights import Right
from transport.watched import UnusableFileError


@pytest.fixture
def path(tmp_path):
    return tmp_path / "keys"


def test_a_key_is_one_callers(path):
    _, line = new_key("ward-7", [Right.PREDICT])
    path.write_text(f"{line}\n{line.replace('ward-7', 'lab')}\n")
    with pytest.raises(UnusableFileError, match="2 lines have the hash"):
        ApiKeys(path)


def test_a_comment_begins_behind_a_space(path):
    key, line = new_key("ward#7", [Right.PREDICT])
    path.write_text(f"# ours\n\n{line} # until May\n")
    assert ApiKeys(path).find(key).name == "ward#7"


@pytest.mark.parametrize(
    "line",
    [
        "ward-7 {digest}",
        "ward-7 {digest} predict train",
        "wärd-7 {digest} predict",
        "ward-7 {key} predict",
        "ward-7 {digest} predict,all",
    ],
)
def test_a_line_that_is_none_is_told_by_its_number_alone(path, line):
    """It may hold a key where its hash should be."""
    key, _ = new_key("ward-7", [Right.PREDICT])
    path.write_text("# ours\n" + line.format(key=key, digest=hashlib.sha256(key.encode()).hexdigest()))
    with pytest.raises(UnusableFileError, match="line 2 is not: name, SHA-256 in hex, rights") as caught:
        ApiKeys(path)
    assert key not in str(caught.value)


def test_a_file_that_is_no_text_is_told_as_that(path):
    path.write_bytes(b"ward-7 \xff")
    with pytest.raises(UnusableFileError, match="is no text"):
        ApiKeys(path)
