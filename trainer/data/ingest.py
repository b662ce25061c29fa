"""Reading of labelled slices into one pixel file, with every exclusion counted and named."""

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gateway.imaging import ImageArray, InputSpec, InvalidImageError, decode, preprocess
from trainer.data.grouping import HASH_BITS, perceptual_hash
from trainer.data.npz import allocate_pixels
from trainer.data.sources import SliceSource, image_name
from trainer.data.synthetic import SIDE
from trainer.errors import LabelFileError, SourceError
from trainer.progress_bar import OnProgress

_TOLD_LABELS, _TOLD_CHARS = 3, 20
"""Unknown labels that are told by their value, and how much of each: a label file may hold anything."""

MANIFEST_COLUMNS = ["name", "label", "sha256", "group", "split", "row", "excluded"]


@dataclass(frozen=True, slots=True)
class Ingested:
    """Slices as read, in the order of the label file; behind these what could not be read at all.

    Attributes:
      manifest: one row per image, with MANIFEST_COLUMNS; `excluded` is why it is left out, else "".
      pixels: uint8 (N, SIDE, SIDE, 3) of the first N rows, mapped from disk; zero where excluded.
      hashes: bool (N, HASH_BITS), of the stored slices.
      is_grey: whether every slice has three equal channels.
      resized: slices that are kept and had another size than SIDE by SIDE.
    """

    manifest: pd.DataFrame
    pixels: NDArray[np.uint8]
    hashes: NDArray[np.bool_]
    is_grey: bool
    resized: int


def ingest(source: SliceSource, pixel_file: Path, on_progress: OnProgress) -> Ingested:
    """Reads every slice once; memory is bounded by one of them.

    Raises:
      LabelFileError: a name stands twice in the label file, so that its label is ambiguous.
      SourceError: the images cannot be read at all.
    """
    locations = source.images()
    manifest = _join(source.labels(), locations)
    there = int((manifest["excluded"] == "").sum())
    pixels = allocate_pixels(pixel_file, (there, SIDE, SIDE, 3))
    hashes = np.zeros((there, HASH_BITS), np.bool_)
    digests, excluded = [""] * len(manifest), manifest["excluded"].tolist()
    is_grey, resized = True, np.zeros(len(manifest), np.bool_)
    for row, name in enumerate(manifest["name"][:there]):
        try:
            content = source.read(locations[name])
            image = decode(content)
        except FileNotFoundError as err:  # its name was there when the images were listed
            raise SourceError(
                f"image {name} has no file: it vanished while the images were read, or is a link that leads nowhere; "
                "put it back, or take the link away, and try again"
            ) from err
        except (OSError, InvalidImageError) as err:
            excluded[row] = f"unreadable: {getattr(err, 'reason', 'READ_FAILED')}"
        else:
            is_grey = is_grey and _is_grey(image)
            resized[row] = image.shape[:2] != (SIDE, SIDE)
            digests[row] = hashlib.sha256(content).hexdigest()
            pixels[row] = preprocess(image, InputSpec(SIDE, SIDE, 3))
            hashes[row] = perceptual_hash(pixels[row])
        on_progress(row + 1, there)
    manifest = manifest.assign(sha256=digests, excluded=excluded)
    _exclude_conflicts(manifest)
    kept = (manifest["excluded"] == "").to_numpy()
    return Ingested(manifest, pixels, hashes, is_grey, int((resized & kept).sum()))


def _join(labels: pd.DataFrame, locations: dict[str, str]) -> pd.DataFrame:
    """Makes the manifest: images with a label that is known, and behind them everything else."""
    named = labels["Image"].fillna("").str.strip().map(image_name)
    twice = sorted(set(named[named.duplicated() & (named != "")]))
    if twice:
        raise LabelFileError(
            f"{len(twice)} names stand more than once in the label file, such as {twice[0]!r}; keep one row of each"
        )
    number = pd.to_numeric(labels["Class"].str.replace(",", "."), errors="coerce")  # 1,0 as some countries write it
    label = number.where(number.isin([0, 1]))
    unlabelled = sorted(set(locations) - set(named))
    manifest = pd.DataFrame({"name": [*named, *unlabelled], "label": [*label, *([np.nan] * len(unlabelled))]})
    manifest = manifest.assign(sha256="", group=-1, split="", row=-1, excluded="")
    manifest.loc[manifest["name"].isin(unlabelled), "excluded"] = "no label"
    unknown = label.isna()
    manifest.loc[np.flatnonzero(unknown), "excluded"] = _unknown(labels["Class"][unknown].fillna(""))
    manifest.loc[~manifest["name"].isin(locations.keys()), "excluded"] = "missing image"
    manifest.loc[manifest["name"] == "", "excluded"] = "no name"
    left_out = manifest["excluded"] != ""
    return pd.concat([manifest[~left_out], manifest[left_out]], ignore_index=True)[MANIFEST_COLUMNS]


def _unknown(labels: Iterable[str]) -> list[str]:
    """Returns why each is left out: few different reasons, since these are counted."""
    told = [label[:_TOLD_CHARS] for label in labels]
    frequent = dict(Counter(told).most_common(_TOLD_LABELS))
    return [f"unknown label{f' {label!r}' if label in frequent else ''} (0 and 1 are known)" for label in told]


def _exclude_conflicts(manifest: pd.DataFrame) -> None:
    """Excludes identical files whose labels differ: at least one of them is wrong."""
    kept = manifest[manifest["excluded"] == ""]
    labels_of_file = kept.groupby("sha256")["label"].transform("nunique")
    manifest.loc[kept.index[labels_of_file > 1], "excluded"] = "conflicting labels"


def _is_grey(image: ImageArray) -> bool:
    return bool((image == image[..., :1]).all())
