"""Runs protoc on the contract, with Google's protos of the installed wheels in reach."""

import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import google.rpc
import grpc_tools
from grpc_tools import protoc

CONTRACT_DIR = Path(__file__).resolve().parent
"""Root of the contract: a proto file is named by its path below it."""

CONTRACT = tuple(
    sorted(path.relative_to(CONTRACT_DIR).as_posix() for path in CONTRACT_DIR.glob("braintumor/**/*.proto"))
)
"""Names of all proto files of the contract."""

_PACKAGES_DIR = Path(next(iter(google.rpc.__path__))).parents[1]
_WELL_KNOWN_DIR = Path(grpc_tools.__file__).with_name("_proto")


def compile_protos(*options: str, names: Sequence[str] = CONTRACT) -> None:
    """Runs protoc with options on the named files.

    Raises:
      SystemExit: protoc refused; it has said why on stderr.
    """
    with tempfile.TemporaryDirectory() as renamed_dir:
        _provide_operations(Path(renamed_dir))
        includes = (CONTRACT_DIR, renamed_dir, _PACKAGES_DIR, _WELL_KNOWN_DIR)
        plugin = Path(sys.executable).with_name("protoc-gen-mypy")
        arguments = [
            "protoc",
            *(f"--proto_path={include}" for include in includes),
            f"--plugin=protoc-gen-mypy={plugin}",
            f"--plugin=protoc-gen-mypy_grpc={plugin}_grpc",
            *options,
            *names,
        ]
        if protoc.main(arguments) != 0:
            raise SystemExit("protoc refused the proto files")


def _provide_operations(include_dir: Path) -> None:
    """Puts operations.proto under its true name.

    googleapis-common-protos ships it as operations_proto.proto, but its Python module registers the
    descriptor operations.proto: what imports the former name compiles, and dies when Python loads it.
    """
    folder = include_dir / "google" / "longrunning"
    folder.mkdir(parents=True)
    shutil.copyfile(_PACKAGES_DIR / "google" / "longrunning" / "operations_proto.proto", folder / "operations.proto")
