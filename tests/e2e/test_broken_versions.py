"""Loading of what is to be evaluated."""

import shutil
from pathlib import Path

import pytest

from trainer.errors import BrokenModelError
from trainer.evaluate import Candidate


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:1000])


@pytest.mark.parametrize(
    "harm",
    [
        lambda version: shutil.rmtree(version / "variables"),
        lambda version: _cut(version / "saved_model.pb"),
        lambda version: (version / "saved_model.pb").unlink(),
        lambda version: _cut(version / "variables/variables.data-00000-of-00001"),
    ],
    ids=["no variables", "cut graph", "no graph", "cut variables"],
)
def test_a_broken_version_is_told_as_such(tmp_path, shipped_version, harm):
    version = Path(shutil.copytree(shipped_version, tmp_path / "7"))
    harm(version)

    with pytest.raises(BrokenModelError, match=r"^the model in 7 cannot be loaded: ") as raised:
        Candidate(version)

    assert str(tmp_path) not in str(raised.value)
