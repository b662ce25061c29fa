"""Files that explain verdicts: heatmap and overlay of each slice."""

import os
from collections.abc import Sequence
from pathlib import Path

from braintumor.cli.images import common_folder
from braintumor.image_folder import EXPLANATION_SUFFIXES
from braintumor.v1.classifier_service_pb2 import Explanation


class ExplanationFolder:
    """Keeps explanations under the paths that their slices have below the folder that all slices share.

    So two slices of one name in different folders do not overwrite each other.

    Args:
      folder: where the explanations go; made when the first one does.
      paths: the files and folders of all slices.
    """

    def __init__(self, folder: Path, paths: Sequence[Path]) -> None:
        self._folder = folder
        self._shared = common_folder(paths)

    def save(self, path: Path, explanation: Explanation) -> dict[str, str]:
        """Writes the PNG files of one slice.

        Returns:
          The paths of "heatmap" and "overlay".

        Raises:
          OSError: a file cannot be written.
        """
        place = self._folder / os.path.relpath(path, self._shared)
        place.parent.mkdir(parents=True, exist_ok=True)
        pictures = {"heatmap": explanation.heatmap_png, "overlay": explanation.overlay_png}
        return {shown: _write(Path(f"{place}{EXPLANATION_SUFFIXES[shown]}"), png) for shown, png in pictures.items()}


def _write(path: Path, png: bytes) -> str:
    path.write_bytes(png)
    return str(path)
