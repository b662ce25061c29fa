"""Which versions serving holds at present, and how to feed them."""

import asyncio
import logging
import re
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import grpc

from gateway.backend.served_version import Selector, ServedVersion
from gateway.errors import (
    GatewayError,
    ModelVersionNotFoundError,
    NoModelError,
    ServingBusyError,
    ServingUnavailableError,
    UnsupportedSignatureError,
    VersionLabelNotFoundError,
)

STABLE = "stable"
CANARY = "canary"
LATEST = ""
"""Stands for a label where serving has none."""

_LOOK_TIMEOUT_S = 1.0
"""Within which serving answers a look."""

_MAX_REMEMBERED = 32
_LABEL_AGE_S = 2.0
"""Longer than from one step to the next: those are what keeps the canary's fresh."""
_MAX_LABEL_LENGTH = 128
_WITH_DIGITS = re.compile(r"\S*\d\S*")

_logger = logging.getLogger(__name__)


class Registry(Protocol):
    """What knows the versions."""

    async def look_up(self, selector: Selector, timeout_s: float) -> ServedVersion:
        """As in ServingClient."""


@dataclass(frozen=True, slots=True)
class _View:
    """What the last step saw."""

    reachable: bool = False
    served: Mapping[str, ServedVersion] = field(default_factory=dict)
    problem: str = field(default="", compare=False)
    cause: str = field(default="", compare=False)
    """gRPC's own words, for the log: with addresses and numbers, which are others each time."""

    @property
    def trouble(self) -> str:
        """The kind of it, "" where all is well."""
        return self.problem + _WITH_DIGITS.sub("", self.cause)

    @property
    def default(self) -> ServedVersion | None:
        return self.served.get(STABLE) or self.served.get(LATEST)


class Versions:
    """Keeps up with serving: a `step` each second tells where calls without a selector go.

    They go to the version labelled "stable", and where serving has no such label to the latest one. While serving
    is away the last known versions stay, so that calls wait for its return instead of failing at once. Versions
    asked for by number or by another label are looked up on demand.
    """

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._lock = asyncio.Lock()
        self._view = _View()
        self._told = {""}
        """Kinds of trouble that the log has since all was well."""
        self._labels: dict[str, tuple[float, ServedVersion]] = {}
        self._numbers: OrderedDict[int, ServedVersion] = OrderedDict()

    @property
    def ready(self) -> bool:
        """Whether the last step found a version for calls without a selector."""
        return self._view.reachable and self._view.default is not None

    @property
    def served(self) -> Mapping[str, ServedVersion]:
        """Versions by the label that leads to them: STABLE or LATEST, and CANARY, as far as they were found."""
        return self._view.served

    async def step(self) -> None:
        """Looks once. Never raises a GatewayError: what went wrong is part of the view."""
        async with self._lock:
            await self._look()

    async def resolve(self, selector: Selector, deadline: float) -> ServedVersion:
        """Returns the version that a selector leads to.

        Raises:
          NoModelError: no selector, and serving has no version for such calls.
          ModelVersionNotFoundError, VersionLabelNotFoundError, UnsupportedSignatureError: about the selector.
          ServingBusyError, ServingUnavailableError: a retry may help.
        """
        if selector in {None, STABLE}:
            return self._resolve_default()
        match selector:
            case str() if len(selector) > _MAX_LABEL_LENGTH:
                # Answers repeat the label in headers, whose size is limited.
                raise VersionLabelNotFoundError(f"No label of a version has over {_MAX_LABEL_LENGTH} characters.")
            case str():
                seen_at, version = self._labels.get(selector, (0.0, None))
                fresh = time.monotonic() - seen_at < _LABEL_AGE_S
            case int():
                version, fresh = self._numbers.get(selector), True
        if version is not None and fresh:
            return version
        remaining_s = deadline - asyncio.get_running_loop().time()
        return await self._look_up(selector, min(_LOOK_TIMEOUT_S, remaining_s))

    async def look_again(self, gone: ServedVersion) -> None:
        """Forgets a version that serving said NOT_FOUND to, and finds out what answers in its place.

        Many callers of one batch come here at once: the first looks, the others find the work done.
        """
        async with self._lock:
            self._numbers.pop(gone.version, None)
            self._labels = {label: seen for label, seen in self._labels.items() if seen[1].version != gone.version}
            if self._view.default is None or any(seen.version == gone.version for seen in self._view.served.values()):
                await self._look()

    def _resolve_default(self) -> ServedVersion:
        if (default := self._view.default) is not None:
            return default
        if self._view.reachable:
            raise NoModelError("No version of the model is served at present.")
        raise ServingUnavailableError("The model server cannot be reached.")

    async def _look(self) -> None:
        served: dict[str, ServedVersion] = {}
        problem = cause = ""
        try:
            label, version = await self._look_up_default()
            served[label] = version
        except ServingBusyError:
            return  # It is there, and what was seen last is the best guess.
        except ServingUnavailableError as err:
            self._see(_View(reachable=False, served=self._view.served, problem=str(err), cause=_cause_of(err)))
            return
        except GatewayError as err:
            problem, cause = str(err), _cause_of(err)
        if (canary := await self._look_up_canary()) is not None:
            served[CANARY] = canary
        self._see(_View(reachable=True, served=served, problem=problem, cause=cause))

    async def _look_up_default(self) -> tuple[str, ServedVersion]:
        try:
            return STABLE, await self._look_up(STABLE, _LOOK_TIMEOUT_S)
        except VersionLabelNotFoundError:
            return LATEST, await self._look_up(None, _LOOK_TIMEOUT_S)

    async def _look_up_canary(self) -> ServedVersion | None:
        try:
            return await self._look_up(CANARY, _LOOK_TIMEOUT_S)
        except (VersionLabelNotFoundError, ModelVersionNotFoundError, UnsupportedSignatureError):
            return None  # Most of the time there is none.
        except (ServingBusyError, ServingUnavailableError):
            return self._view.served.get(CANARY)  # What was seen last is the best guess.

    async def _look_up(self, selector: Selector, timeout_s: float) -> ServedVersion:
        version = await self._registry.look_up(selector, timeout_s)
        if isinstance(selector, str):
            self._labels[selector] = (time.monotonic(), version)
        self._numbers[version.version] = version
        self._numbers.move_to_end(version.version)
        if len(self._numbers) > _MAX_REMEMBERED:
            self._numbers.popitem(last=False)
        return version

    def _see(self, view: _View) -> None:
        if not view.problem:
            self._told = {""}
        if view != self._view or view.trouble not in self._told:
            numbers = {label: version.version for label, version in view.served.items()}
            problem = f"{view.problem} {view.cause}".strip()
            seen = {"reachable": view.reachable, "versions": numbers, "problem": problem}
            _logger.info("view of serving changed", extra=seen)
            self._told.add(view.trouble)
        self._view = view


def _cause_of(err: GatewayError) -> str:
    return (err.__cause__.details() or "") if isinstance(err.__cause__, grpc.aio.AioRpcError) else ""
