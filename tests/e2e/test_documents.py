"""What documents and manifests name is there: files, headings and settings, these with their defaults."""

import re
from pathlib import Path

import pytest

from gateway.settings import Settings
from trainer.settings import TrainerSettings
from transport.environment import description_of

_ROOT = Path(__file__).parents[2]
_PAGES = sorted(page for pattern in ("[!.]*.md", "[!.]*/*.md", "[!.]*/*/README.md") for page in _ROOT.glob(pattern))
_OF_NOW = [page for page in _PAGES if page.name != "CHANGELOG.md"]
_MANIFESTS = [_ROOT / "docker-compose.yml", *sorted(_ROOT.glob("serving/k8s/*.yaml"))]
_HELP = "\n".join(map(description_of, (Settings, TrainerSettings)))
_DEFAULTS = dict(re.findall(r"^([A-Z_]+) \(default: '?(.*?)'?(?:, (?:at|above|below|one) .*)?\)$", _HELP, re.MULTILINE))
_REASONS = {"GATEWAY_STOPPING", "TRAINER_STOPPING", "TRAINER_UNAVAILABLE"}


def _anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", _PAGES, ids=[str(page.relative_to(_ROOT)) for page in _PAGES])
def test_links_lead_somewhere(page: Path) -> None:
    for path, anchor in re.findall(r"\]\((?!https?:)([^)#\s]*)#?([^)\s]*)\)", page.read_text()):
        target = page.parent / path if path else page
        assert target.exists(), path
        assert not anchor or anchor in _anchors(target), anchor


@pytest.mark.parametrize("page", [*_OF_NOW, *_MANIFESTS], ids=lambda page: str(page.relative_to(_ROOT)))
def test_settings_that_are_named_can_be_set(page: Path) -> None:
    named = set(re.findall(r"\b(?:GATEWAY|TRAINER)_[A-Z_]*[A-Z]\b(?!__…|__\.)", page.read_text()))
    assert named - _REASONS <= set(re.findall(r"^([A-Z_]+) \(", _HELP, re.MULTILINE))


def test_the_readme_tells_their_defaults() -> None:
    table = (_ROOT / "README.md").read_text().split("\n## Settings\n\n")[1].split("\n\n")[0]
    cells = [[re.findall(r"`([^`]+)`", cell) for cell in row.split(" | ")[:2]] for row in table.splitlines()[2:]]
    told = {name: default for names, defaults in cells for name, default in zip(names, defaults, strict=False)}
    assert told
    assert told == {name: _DEFAULTS[name].removesuffix(".0") for name in told}
