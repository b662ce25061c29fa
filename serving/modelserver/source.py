"""Finds the versions of models on disk."""

import logging
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from serving.modelserver.config import local_base_path
from serving.modelserver.errors import NotFoundError

_log = logging.getLogger(__name__)

_VERSION = re.compile(r"\s*\+?[0-9]+\s*", re.ASCII)
_MAX_VERSION = 2**63 - 1


def aspired_versions(model_configs: Iterable[Any]) -> dict[str, dict[int, Path]]:
    """The versions that should be served, by model, as its version policy picks them from those on disk.

    Args:
      model_configs: ModelConfig messages.

    Raises:
      NotFoundError: a base path is gone. The original then gives up the whole poll, for all models: a file
        system that has gone away must not unload everything.
    """
    return {config.name: _aspired(config) for config in model_configs}


def _aspired(config: Any) -> dict[int, Path]:
    found = _find(config.name, local_base_path(config))
    policy = config.model_version_policy
    choice = policy.WhichOneof("policy_choice")
    if choice == "all":
        return found
    if choice == "specific":
        return _specific(config.name, found, policy.specific.versions)
    count = policy.latest.num_versions or 1
    return {version: found[version] for version in sorted(found, reverse=True)[:count]}


def _find(name: str, base_path: Path) -> dict[int, Path]:
    try:
        children = sorted(base_path.iterdir())
    except (OSError, ValueError) as err:  # the latter: no path has a null character
        raise NotFoundError(f"Could not find base path {base_path} for servable {name} with error {err}") from err
    found: dict[int, Path] = {}
    for child in children:
        if not _VERSION.fullmatch(child.name) or int(child.name) > _MAX_VERSION:
            continue
        if int(child.name) in found:
            _log.warning("%s: version %d is there more than once; serving %s", name, int(child.name), child)
        found[int(child.name)] = child
    if not found:
        _log.warning("No versions of servable %s found under base path %s", name, base_path)
    return found


def _specific(name: str, found: dict[int, Path], wanted: Iterable[int]) -> dict[int, Path]:
    chosen = {version: found[version] for version in wanted if version in found}
    missing = sorted(set(wanted) - chosen.keys())
    if missing:
        _log.warning("Versions %s of servable %s, which its config asks for, were not found", missing, name)
    if not chosen:
        _log.warning("No versions of servable %s are aspired: unloading all", name)
    return chosen
