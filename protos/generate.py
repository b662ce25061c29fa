"""Makes the Python stubs of the contract; with --check, fails where they are not up to date.

python protos/generate.py [--check]
"""

import argparse
import filecmp
import tempfile
from pathlib import Path

from compiler import CONTRACT_DIR, compile_protos

PYTHON_DIR = CONTRACT_DIR / "python"
"""Where the distribution's Python code lies. The proto package is the Python package, so no import is rewritten."""

_GENERATED = ("*_pb2.py", "*_pb2.pyi", "*_pb2_grpc.py", "*_pb2_grpc.pyi")


def main() -> None:
    """Writes the stubs, or compares them with those that are there."""
    parser = argparse.ArgumentParser(description="Makes the Python stubs of the contract.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail where a stub is not up to date")
    check = parser.parse_args().check
    with tempfile.TemporaryDirectory() as fresh_dir:
        compile_protos(
            f"--python_out={fresh_dir}",
            f"--grpc_python_out={fresh_dir}",
            f"--mypy_out=quiet:{fresh_dir}",
            f"--mypy_grpc_out=quiet:{fresh_dir}",
        )
        if check:
            _check(Path(fresh_dir))
        else:
            _replace(Path(fresh_dir))


def _check(fresh_dir: Path) -> None:
    fresh, present = _stubs_in(fresh_dir), _stubs_in(PYTHON_DIR)
    same, _, _ = filecmp.cmpfiles(fresh_dir, PYTHON_DIR, fresh & present, shallow=False)
    stale = sorted((fresh | present) - set(same))
    if stale:
        raise SystemExit(
            "these stubs are not what the proto files make; run `python protos/generate.py`:\n  " + "\n  ".join(stale)
        )


def _replace(fresh_dir: Path) -> None:
    fresh = _stubs_in(fresh_dir)
    for name in _stubs_in(PYTHON_DIR) - fresh:
        (PYTHON_DIR / name).unlink()
    for name in fresh:
        stub = PYTHON_DIR / name
        stub.parent.mkdir(parents=True, exist_ok=True)
        stub.write_bytes((fresh_dir / name).read_bytes())


def _stubs_in(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for pattern in _GENERATED for path in folder.rglob(pattern)}


if __name__ == "__main__":
    main()
