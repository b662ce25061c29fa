"""Files of TLS that cannot be used are told at the start of a process, and not by calls that fail."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest


@pytest.mark.parametrize(
    ("arguments", "prefix", "authorities"),
    [
        (["gateway"], "GATEWAY_SERVING_TLS", "CA"),
        (["gateway"], "GATEWAY_TRAINER_TLS", "CA"),
        (["trainer", "serve"], "TRAINER_SERVING_TLS", "CA"),
        (["gateway"], "GATEWAY_TLS", "CLIENT_CA"),
        (["trainer", "serve"], "TRAINER_TLS", "CLIENT_CA"),
    ],
)
def test_it_names_the_file_and_ends(
    arguments: list[str], prefix: str, authorities: str, authority: Any, tmp_path: Path
) -> None:
    own, absent = authority(tmp_path, "ours").issue("own"), tmp_path / "absent.pem"
    named = {authorities: absent, "CERTIFICATE": own.certificate, "KEY": own.key}
    addresses = {"DATA_ROOT": str(tmp_path), "GATEWAY_ADDRESS": "127.0.0.1:0", "TRAINER_ADDRESS": "127.0.0.1:0"}
    ended = subprocess.run(
        [sys.executable, "-m", *arguments],
        env=os.environ | addresses | {f"{prefix}__{name}": str(path) for name, path in named.items()},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode in {1, 2}
    assert str(absent) in ended.stderr
    assert "Traceback" not in ended.stderr
