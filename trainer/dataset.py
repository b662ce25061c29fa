"""Labelled slices to train and test splits without near-duplicates between them."""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from trainer.data.grouping import near_duplicate_groups
from trainer.data.ingest import Ingested, ingest
from trainer.data.known_slices import KnownSlices
from trainer.data.npz import Streamed, map_npz, write_npz
from trainer.data.sources import SliceSource
from trainer.data.split import TEST_SHARE, Sides, held_out_rows, validation_rows
from trainer.durable import UNFINISHED, share, take_lock
from trainer.errors import DatasetError, TooFewSlicesError
from trainer.paths import MANIFEST
from trainer.progress_bar import OnProgress

_BLOCK = 256
_UNFINISHED = f"{UNFINISHED}data-set-"


@dataclass(frozen=True, slots=True)
class DatasetPaths:
    """Where a data set is written.

    Attributes:
      all_npz: every slice that is kept; MANIFEST is written beside it.
      train_npz: the training split.
      test_npz: the test split.
    """

    all_npz: Path
    train_npz: Path
    test_npz: Path


@dataclass(frozen=True, slots=True)
class DatasetSummary:
    """Counts of a data set.

    Attributes:
      fingerprint: SHA-256 over name, label and content of every kept slice, as hex digits.
      excluded: how many images were left out, by reason.
      resized: slices that were not SIDE by SIDE, so were resized twice, where serving does so once.
    """

    fingerprint: str
    train_slices: int
    train_groups: int
    test_slices: int
    test_groups: int
    tumor_slices: int
    identical_files: int
    excluded: dict[str, int]
    resized: int = 0


@dataclass(frozen=True, slots=True)
class Split:
    """One split, mapped from disk.

    Attributes:
      images: uint8 (N, 240, 240, C), C 1 where every slice of the data set is grey, else 3.
      labels: int64 (N,), 1 is tumor.
      groups: int64 (N,), near-duplicate group.
      fingerprint: of the data set.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    groups: NDArray[np.int64]
    fingerprint: str


def load_split(path: Path) -> Split:
    """Maps a split that build_dataset wrote; raises NpzError where it is none."""
    arrays = map_npz(path, ["X", "Y", "group", "fingerprint"])
    return Split(arrays["X"], np.array(arrays["Y"]), np.array(arrays["group"]), str(arrays["fingerprint"]))


def build_dataset(
    source: SliceSource,
    paths: DatasetPaths,
    seed: int,
    on_progress: OnProgress,
    known: KnownSlices,
    staging_dir: Path | None = None,
) -> DatasetSummary:
    """Writes npz files (`X` uint8 [N, 240, 240, C], `Y` int64 [N]) and the manifest.

    Each file appears whole, and at the end: slices that cannot become a data set leave the one that was there.

    Args:
      source: images and labels.
      paths: of what is written.
      seed: of the split.
      on_progress: of the reading.
      known: slices whose near-duplicates stay on the side where they were.
      staging_dir: where the files lie until then; by default that of `paths.all_npz`.

    Raises:
      DatasetError: the slices cannot become a data set.
    """
    with _made(paths.all_npz.parent), _staging(staging_dir or paths.all_npz.parent) as staging:
        ingested = ingest(source, staging / "pixels.npy", on_progress)
        _assign(ingested, seed, known)
        manifest = ingested.manifest
        fingerprint = _fingerprint(manifest)
        manifest.to_csv(staging / MANIFEST, index=False)
        targets = {paths.all_npz: "train|test", paths.train_npz: "train", paths.test_npz: "test"}
        for number, splits in enumerate(targets.values()):
            rows = np.flatnonzero(manifest["split"].str.fullmatch(splits))
            _write_split(staging / f"{number}.npz", ingested, rows, fingerprint)
        for number, target in enumerate(targets):
            share(staging / f"{number}.npz", target)
        share(staging / MANIFEST, paths.all_npz.with_name(MANIFEST))
    return _summary(manifest, fingerprint, ingested.resized)


@contextmanager
def _made(directory: Path) -> Iterator[None]:
    """Makes a directory, and where the block fails removes again what was not there and is empty."""
    missing = [place for place in (directory, *directory.parents) if not place.exists()]
    directory.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except BaseException:
        with suppress(OSError):
            for place in missing:
                place.rmdir()
        raise


@contextmanager
def _staging(parent: Path) -> Iterator[Path]:
    """Makes a directory for what is not finished, and clears away what a process that was killed has left there."""
    parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        lock = os.open(parent, os.O_RDONLY)
        stack.callback(os.close, lock)
        if not take_lock(lock):
            raise DatasetError(f"another process builds a data set in {parent.name}; wait for its end")
        for left in parent.glob(f"{_UNFINISHED}*"):
            shutil.rmtree(left)
        yield Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=_UNFINISHED, dir=parent)))


def _assign(ingested: Ingested, seed: int, known: KnownSlices) -> None:
    """Fills in group, split and row within the split of every kept row."""
    manifest = ingested.manifest
    kept = np.flatnonzero(manifest["excluded"] == "")
    if not len(kept):
        raise TooFewSlicesError(f"every image was excluded: {_told_exclusions(manifest)}")
    # Grouped together: where a known slice is missing, its near-duplicates are there.
    all_groups = near_duplicate_groups(np.concatenate([ingested.hashes[kept], known.train, known.test]))
    groups, of_train, of_test = np.split(all_groups, np.cumsum([len(kept), len(known.train)]))
    labels = manifest["label"].to_numpy()[kept].astype(np.int64)
    try:
        is_test = held_out_rows(groups, labels, TEST_SHARE, seed, Sides(of_train, of_test))
        validation_rows(groups[~is_test], labels[~is_test], seed)  # as the training will, which is too late to be told
    except TooFewSlicesError as err:
        raise TooFewSlicesError(f"{err}; left out: {_told_exclusions(manifest) or 'none'}") from err
    manifest.loc[kept, "group"] = groups
    manifest.loc[kept, "split"] = np.where(is_test, "test", "train")
    manifest.loc[kept, "row"] = manifest.loc[kept].groupby("split").cumcount()
    manifest["label"] = manifest["label"].astype("Int64")


def _write_split(path: Path, ingested: Ingested, rows: NDArray[np.intp], fingerprint: str) -> None:
    channels = 1 if ingested.is_grey else 3
    blocks = (ingested.pixels[rows[at : at + _BLOCK], :, :, :channels] for at in range(0, len(rows), _BLOCK))
    kept = ingested.manifest.iloc[rows]
    shape = (len(rows), *ingested.pixels.shape[1:3], channels)
    arrays: dict[str, Streamed | NDArray[Any]] = {
        "X": Streamed(shape, np.dtype(np.uint8), blocks),
        "Y": kept["label"].to_numpy(np.int64),
        "group": kept["group"].to_numpy(np.int64),
        "fingerprint": np.array(fingerprint),
    }
    write_npz(path, arrays)


def _fingerprint(manifest: pd.DataFrame) -> str:
    kept = manifest[manifest["excluded"] == ""].sort_values("name")
    digest = hashlib.sha256()
    for name, label, sha256 in kept[["name", "label", "sha256"]].itertuples(index=False):
        digest.update(f"{name}\t{label}\t{sha256}\n".encode())
    return digest.hexdigest()


def _told_exclusions(manifest: pd.DataFrame) -> str:
    examples = manifest.drop_duplicates("excluded").set_index("excluded")["name"]
    return "; ".join(
        f"{count} {why}" + (f", such as {examples[why]!r}" if examples[why] else "")
        for why, count in _excluded(manifest).items()
    )


def _excluded(manifest: pd.DataFrame) -> dict[str, int]:
    return {str(reason): int(n) for reason, n in manifest["excluded"].value_counts().items() if reason}


def _summary(manifest: pd.DataFrame, fingerprint: str, resized: int) -> DatasetSummary:
    kept = manifest[manifest["excluded"] == ""]
    train, test = kept[kept["split"] == "train"], kept[kept["split"] == "test"]
    return DatasetSummary(
        fingerprint=fingerprint,
        train_slices=len(train),
        train_groups=train["group"].nunique(),
        test_slices=len(test),
        test_groups=test["group"].nunique(),
        tumor_slices=int(kept["label"].sum()),
        identical_files=int(kept["sha256"].duplicated().sum()),
        excluded=_excluded(manifest),
        resized=resized,
    )
