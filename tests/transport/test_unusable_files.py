"""Files of TLS that cannot be used are told at the start of a process, and not by calls that fail."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec


@pytest.mark.parametrize(
    ("arguments", "prefix"),
    [
        (["gateway"], "GATEWAY_SERVING_TLS"),
        (["gateway"], "GATEWAY_TRAINER_TLS"),
        (["trainer", "serve"], "TRAINER_SERVING_TLS"),
        (["gateway"], "GATEWAY_TLS"),
        (["trainer", "serve"], "TRAINER_TLS"),
    ],
)
@pytest.mark.parametrize("unusable", ["absent", "no authority", "another key", "a kind of key that gRPC does not use"])
def test_it_names_the_file_and_ends(
    arguments: list[str], prefix: str, unusable: str, authority: Any, tmp_path: Path
) -> None:
    ca = authority(tmp_path, "ours")
    own, other = ca.issue("own"), ca.issue("other")
    if unusable == "a kind of key that gRPC does not use":
        own = ca.issue("own", curve=ec.SECP521R1())
    authorities = {"absent": tmp_path / "absent.pem", "no authority": own.key}.get(unusable, ca.certificate)
    key = other.key if unusable == "another key" else own.key
    is_server = prefix in {"GATEWAY_TLS", "TRAINER_TLS"}
    named = {"CLIENT_CA" if is_server else "CA": authorities, "CERTIFICATE": own.certificate, "KEY": key}
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
    blamed = {"another key": key, "a kind of key that gRPC does not use": own.certificate}.get(unusable, authorities)
    assert str(blamed) in ended.stderr
    assert "Traceback" not in ended.stderr
