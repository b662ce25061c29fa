"""What the images are made of: its licences, its bill of materials, and what an audit of it asks about."""

import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pytest
from license_expression import get_spdx_licensing
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "requirements/LICENCES.md"


def pinned(name: str) -> Iterator[tuple[Requirement, set[str]]]:
    """Each pin of a requirements file, with its hashes."""
    for pin in re.findall(r"^\w.*\\\n(?: +--hash.*\n)+", (ROOT / f"requirements/{name}.txt").read_text(), re.MULTILINE):
        yield Requirement(pin.partition("\\")[0]), set(re.findall(r"--hash=sha256:(\w+)", pin))


def versions(name: str) -> list[tuple[str, str]]:
    return [(pin.name, str(pin.specifier).removeprefix("==")) for pin, _ in pinned(name)]


def rows_of(page: Path) -> list[tuple[str, ...]]:
    """Of its table: package, version, licence, images."""
    return [tuple(line.strip("| ").split(" | ")) for line in page.read_text().splitlines() if " | " in line][1:]


def is_installed(package: str, pin: str) -> bool:
    try:
        return version(package) == pin
    except PackageNotFoundError:
        return False


MAKE = ["make", "--no-print-directory", "--old-file=.venv/.installed-dev", "--old-file=.venv/.installed-run"]
"""Also where make runs the tests: it would tell where it is. What is installed stays as it is."""


def command_of(target: str) -> list[str]:
    """What make would run, in this environment."""
    (line,) = subprocess.run(
        [*MAKE, "--dry-run", target], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    tool, *arguments = shlex.split(line)
    return [str(Path(sys.executable).with_name(Path(tool).name)), *arguments]


def test_the_table_of_licences_names_the_pins_and_where_they_go():
    rows = rows_of(PAGE)
    assert [(package, pin) for package, pin, *_ in rows] == versions("run")
    in_gateway = [(package, pin) for package, pin, _, images in rows if images == "gateway, trainer"]
    assert in_gateway == versions("gateway")
    assert {images for *_, images in rows} == {"gateway, trainer", "trainer"}


def test_licences_are_what_the_packages_state(tmp_path):
    """Those of other platforms and Pythons are not here to be asked."""
    fresh = tmp_path / "page.md"
    shutil.copy(PAGE, fresh)
    *command, _ = command_of("licences")
    subprocess.run([*command, fresh], cwd=ROOT, check=True)
    here, there = ([row for row in rows_of(page) if is_installed(row[0], row[1])] for page in (fresh, PAGE))
    assert here == there
    assert len(here) > 60


def test_licences_are_known_and_those_that_ask_for_more_are_explained():
    spdx, page = get_spdx_licensing(), PAGE.read_text()
    explained = set(re.findall(r"^- \*\*(.*)\*\*:", page, re.MULTILINE))
    for package, _, licence, _ in rows_of(PAGE):
        keys = spdx.license_keys(spdx.parse(licence, validate=True))
        asking = {key for key in keys if re.search("GPL|MPL|EPL|CDDL|EUPL", key)}
        assert asking <= explained
        assert not asking or package in page.partition("\n\nOf these")[2]


@pytest.fixture(scope="module")
def bills() -> dict[str, Any]:
    """Bills of materials, as `make sbom` writes them."""
    subprocess.run([*MAKE, "sbom"], cwd=ROOT, capture_output=True, check=True)
    return {name: json.loads((ROOT / f"build/{name}.cdx.json").read_text()) for name in ("gateway", "run")}


@pytest.mark.parametrize("name", ["gateway", "run"])
def test_the_bill_of_materials_names_each_pin_with_its_hashes(bills, name):
    bill = bills[name]
    assert bill["bomFormat"] == "CycloneDX"
    named = {
        component["purl"]: {
            digest["content"] for place in component["externalReferences"] for digest in place.get("hashes", [])
        }
        for component in bill["components"]
    }
    assert named == {f"pkg:pypi/{pin.name}@{str(pin.specifier)[2:]}": hashes for pin, hashes in pinned(name)}
    assert all(named.values())


def test_an_audit_asks_about_each_pin_of_this_platform():
    """Without asking: that takes a network."""
    run = subprocess.run([*command_of("audit"), "--dry-run"], cwd=ROOT, capture_output=True, text=True, check=True)
    pins = {
        str(pin) for name in ("run", "dev") for pin, _ in pinned(name) if pin.marker is None or pin.marker.evaluate()
    }
    assert f"would have audited {len({pin.partition('==')[0] for pin in pins})} packages" in run.stderr
