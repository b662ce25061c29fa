"""Files in text format that are missing, or hold something else."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from serving.modelserver.config import parse_config_file
from serving.modelserver.errors import InvalidArgumentError, NotFoundError
from serving.modelserver.monitoring import prometheus_path

MESSAGES: dict[Callable[[Path], Any], str] = {
    parse_config_file: "tensorflow.serving.ModelServerConfig",
    prometheus_path: "tensorflow.serving.MonitoringConfig",
}


@pytest.mark.parametrize("read", MESSAGES)
def test_a_file_that_is_missing_is_not_found(read: Callable[[Path], Any], tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"^/.*/nope\.config; No such file or directory$"):
        read(tmp_path / "nope.config")


@pytest.mark.parametrize(
    ("content", "place"),
    [(b"improperly formatted file", "1:1 : "), (b"# caf\xe9", "can't decode byte 0xe9 in position 5")],
)
@pytest.mark.parametrize("read", MESSAGES)
def test_the_log_tells_where_a_file_is_wrong(
    read: Callable[[Path], Any], content: bytes, place: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "bad.config"
    file.write_bytes(content)
    with pytest.raises(InvalidArgumentError, match=rf"^Invalid protobuf file: '{file}'$"):
        read(file)
    assert f"Error parsing text-format {MESSAGES[read]}: " in caplog.text
    assert place in caplog.text
