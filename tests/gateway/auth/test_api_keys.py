"""The file of API keys."""

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
    path.write_text(f"# ours\n{line} # until May\n")
    assert ApiKeys(path).find(key).name == "ward#7"
