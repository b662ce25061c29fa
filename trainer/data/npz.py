"""Data sets as npz files, written in a stream and read without loading them.

An npz is a zip of npy arrays. Stored without compression, an array lies in the file as it lies
in memory, so it can be mapped; NumPy's own `load` would read it whole.
"""

import errno
import math
import os
import shutil
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from trainer.errors import NpzError

_LOCAL_HEADER_BYTES = 30
"""Fixed part of a zip member's local header; APPNOTE.TXT 4.3.7."""


@dataclass(frozen=True, slots=True)
class Streamed:
    """An array that is written block by block.

    Attributes:
      shape: of the whole array, (N, …).
      dtype: of the array.
      blocks: consecutive parts along axis 0.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    blocks: Iterable[NDArray[Any]]


def allocate_pixels(path: Path, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Maps a new npy file of zeros, uint8 of any shape.

    Its space is taken at once, so that a full disk is an OSError here and not a SIGBUS at some later write. Where it
    does not fit no space is taken at all, since others write to that disk too.
    """
    if math.prod(shape) > shutil.disk_usage(path.parent).free:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
    mapped = np.lib.format.open_memmap(path, "w+", np.uint8, shape)
    if hasattr(os, "posix_fallocate"):  # not on macOS
        with path.open("rb+") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    return mapped


def write_npz(path: Path, arrays: Mapping[str, Streamed | NDArray[Any]]) -> None:
    """Writes arrays without compression; memory is bounded by the largest block."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                if isinstance(array, Streamed):
                    _write_streamed(member, array)
                else:
                    np.lib.format.write_array(member, array, allow_pickle=False)


def _write_streamed(member: IO[bytes], array: Streamed) -> None:
    header = {"shape": array.shape, "fortran_order": False, "descr": np.lib.format.dtype_to_descr(array.dtype)}
    np.lib.format.write_array_header_1_0(member, header)
    for block in array.blocks:
        member.write(np.ascontiguousarray(block, dtype=array.dtype).data)


def map_npz(path: Path, names: Iterable[str]) -> dict[str, NDArray[Any]]:
    """Maps arrays of an npz read-only; pages are read when touched. Never unpickles.

    Raises:
      NpzError: the file is missing or damaged, lacks an array, or is compressed.
    """
    try:
        # Opened once: another data set may take the file's place at any moment.
        with path.open("rb") as file, zipfile.ZipFile(file) as archive:
            return {name: _map_member(path.name, file, archive.getinfo(f"{name}.npy")) for name in names}
    except NpzError:
        raise
    except FileNotFoundError as err:
        raise NpzError(f"{path.name} does not exist; make it with: python -m trainer build-dataset") from err
    except KeyError as err:
        raise NpzError(f"{path.name} lacks an array: {err.args[0]}") from err
    except OSError as err:
        raise NpzError(f"{path.name} cannot be read: {err.strerror}") from err
    except Exception as err:  # NumPy reads headers as Python, and does not say how it fails at what is none
        raise NpzError(
            f"{path.name} is no npz file, or damaged; make it with: python -m trainer build-dataset"
        ) from err


def _map_member(name: str, file: BinaryIO, member: zipfile.ZipInfo) -> NDArray[Any]:
    if member.compress_type != zipfile.ZIP_STORED:
        raise NpzError(f"{name} is compressed; write it with: python -m trainer build-dataset")
    file.seek(member.header_offset)
    header = file.read(_LOCAL_HEADER_BYTES)
    name_bytes, extra_bytes = int.from_bytes(header[26:28], "little"), int.from_bytes(header[28:30], "little")
    file.seek(name_bytes + extra_bytes, 1)
    version = np.lib.format.read_magic(file)
    read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran_order, dtype = read_header(file)
    if dtype.hasobject:
        raise NpzError(f"{name} holds pickled objects in {member.filename}, which are never read")
    mapped: NDArray[Any] = np.memmap(
        file, dtype, "r", offset=file.tell(), shape=shape, order="F" if fortran_order else "C"
    )
    return mapped
