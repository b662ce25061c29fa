"""Renews the table of licences in a page: python requirements/licences.py requirements/LICENCES.md.

They are as the installed packages state them, so it takes an environment made from run.txt.
"""

import re
import sys
from collections.abc import Iterator
from importlib.metadata import PackageMetadata, PackageNotFoundError, metadata
from pathlib import Path

_FOLDER = Path(__file__).parent
_PIN = re.compile(r"^([\w.-]+)==([\w.+]+)", re.MULTILINE)
_LONGEST_NAME = 40

_STATED = {
    "astunparse": "BSD-3-Clause AND PSF-2.0",  # its file LICENSE
    "colorama": "BSD-3-Clause",  # on Windows only
    "libclang": "Apache-2.0 WITH LLVM-exception",  # its file LICENSE.TXT
    "namex": "Apache-2.0",  # its file LICENSE
    "scipy": "BSD-3-Clause",  # its metadata have the text of the licence
    "tensorflow": "Apache-2.0",
    "tensorflow-cpu": "Apache-2.0",  # of the two only one is installed
}
"""Of packages whose metadata do not say it, say less than their files, or are of another platform."""

_SPDX = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache 2.0": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD 3-Clause": "BSD-3-Clause",
    "MIT License": "MIT",
    "OSI Approved :: Apache Software License": "Apache-2.0",
}
"""What older metadata call a licence, and its SPDX identifier."""

_ROWS = re.compile(r"(?<=\|---\|---\|---\|---\|\n)(\|.*\n)*")


def pins(name: str) -> list[tuple[str, str]]:
    """Returns package and version of each pin of a requirements file; a package may have one for each Python."""
    return _PIN.findall((_FOLDER / name).read_text())


def rows() -> str:
    """Returns the rows of the table, in Markdown."""
    in_gateway = set(pins("gateway.txt"))
    return "".join(
        f"| {package} | {version} | {licence(package)} | "
        f"{'gateway, trainer' if (package, version) in in_gateway else 'trainer'} |\n"
        for package, version in pins("run.txt")
    )


def licence(package: str) -> str:
    """Returns the licence of a package, as SPDX has it.

    Raises:
      SystemExit: nothing tells it.
    """
    if package in _STATED:
        return _STATED[package]
    try:
        named = next(_named(metadata(package)))
    except (PackageNotFoundError, StopIteration):
        raise SystemExit(
            f"the metadata of {package} do not tell its licence; look it up, and add it to _STATED"
        ) from None
    return _SPDX.get(named, named)


def _named(stated: PackageMetadata) -> Iterator[str]:
    yield from stated.get_all("License-Expression") or []
    # Some have the whole text there.
    yield from (name for name in stated.get_all("License") or [] if len(name) <= _LONGEST_NAME)
    for classifier in stated.get_all("Classifier") or []:
        if classifier.startswith("License :: OSI Approved :: "):
            yield classifier.rpartition(" :: ")[2]


if __name__ == "__main__":
    page = Path(sys.argv[1])
    page.write_text(_ROWS.sub(lambda _: rows(), page.read_text(), count=1))
