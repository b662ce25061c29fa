"""Lints the contract, and holds it against the contract of the last release. Needs no network.

python protos/lint.py [--release]
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from compiler import CONTRACT_DIR, compile_protos
from google.protobuf import descriptor_pb2

BASELINE = CONTRACT_DIR / "baseline.binpb"
"""The contract of the last release: a FileDescriptorSet of its own files, as --release wrote it."""

_BUF = Path(sys.executable).with_name("buf")
# buf would fetch what the contract imports from its registry. Given images that protoc made, it has nothing to fetch;
# --path keeps it from judging Google's files, which an image holds too.
_ONLY_OURS = ("--path", "braintumor", "--config", str(CONTRACT_DIR / "buf.yaml"))


def main() -> None:
    """Fails where a rule of buf.yaml is broken; with --release, makes the present contract the baseline."""
    parser = argparse.ArgumentParser(description="Lints the contract and looks for breaking changes.")
    parser.add_argument("--release", action="store_true", help="if all is well, make this contract the new baseline")
    release = parser.parse_args().release
    with tempfile.TemporaryDirectory() as folder:
        present, released = Path(folder, "present.binpb"), Path(folder, "released.binpb")
        compile_protos(f"--descriptor_set_out={present}", "--include_imports", "--include_source_info")
        _complete_baseline(released)
        _buf("lint", str(present), remedy="change the proto files, or add a reasoned exception to protos/buf.yaml")
        _buf("breaking", str(present), "--against", str(released), remedy="callers of the last release would break")
    if release:
        compile_protos(f"--descriptor_set_out={BASELINE}")


def _complete_baseline(image: Path) -> None:
    """Writes the baseline with the files that it imports: sets of files add up when laid end to end."""
    baseline = descriptor_pb2.FileDescriptorSet.FromString(BASELINE.read_bytes())
    ours = {file.name for file in baseline.file}
    imports = sorted({name for file in baseline.file for name in file.dependency} - ours)
    compile_protos(f"--descriptor_set_out={image}", "--include_imports", names=imports)
    image.write_bytes(image.read_bytes() + BASELINE.read_bytes())


def _buf(*arguments: str, remedy: str) -> None:
    finished = subprocess.run([_BUF, *arguments, *_ONLY_OURS], check=False)  # noqa: S603 our own arguments
    if finished.returncode:
        raise SystemExit(f"buf {arguments[0]} failed: {remedy}")


if __name__ == "__main__":
    main()
