"""Which versions are stable, previous and canary."""

import json
from collections.abc import Collection
from dataclasses import asdict, dataclass, replace

from pydantic import TypeAdapter

from trainer.errors import RolloutError

STABLE = "stable"
CANARY = "canary"


@dataclass(frozen=True, slots=True)
class RolloutState:
    """What serving should hold.

    Attributes:
      stable: the version that answers callers who name none; None where there is no version yet.
      previous: the one that was stable before it.
      canary: the one that is tried.
      canary_percent: its share of the unlabelled traffic, in [0, 100].
    """

    stable: int | None = None
    previous: int | None = None
    canary: int | None = None
    canary_percent: float = 0.0

    @property
    def labels(self) -> dict[str, int]:
        """The versions that labels lead to."""
        named = {STABLE: self.stable, CANARY: self.canary}
        return {label: version for label, version in named.items() if version is not None}

    @property
    def loaded(self) -> frozenset[int]:
        """The versions that serving keeps in memory: the previous one too, so that going back takes no loading."""
        return frozenset(version for version in (self.stable, self.previous, self.canary) if version is not None)

    def with_stable(self, version: int) -> "RolloutState":
        """Moves the label `stable`. What was stable becomes previous; a canary that becomes stable has arrived."""
        if version == self.stable:
            return self
        moved = replace(self, stable=version, previous=self.stable)
        return moved.with_canary(None, 0.0) if version == self.canary else moved

    def with_canary(self, version: int | None, percent: float) -> "RolloutState":
        """Moves the label `canary`, or takes it away."""
        return replace(self, canary=version, canary_percent=percent)

    def limited_to(self, on_disk: Collection[int]) -> "RolloutState":
        """Forgets versions that are gone. A stable one that is gone gives way to the previous, which serving holds.

        Where that is gone too none is stable or tried, and serving takes the newest without a label: a label that leads
        to a version that is not loaded would keep it from being loaded. Where there is no version at all nothing is
        forgotten: the disk that they lie on may be about to come back.
        """
        if not on_disk:
            return self

        def kept(version: int | None) -> int | None:
            return version if version in on_disk else None

        stable, previous, canary = kept(self.stable), kept(self.previous), kept(self.canary)
        if stable is None and self.stable is not None:
            stable, previous = previous, None
        if stable is None or canary == stable:  # which took over from one that is gone
            canary = None
        return RolloutState(stable, previous, canary, 0.0 if canary is None else self.canary_percent)

    def to_json(self) -> str:
        """Returns what from_json reads."""
        return json.dumps(asdict(self), indent=1) + "\n"

    @classmethod
    def from_json(cls, text: bytes) -> "RolloutState":
        """Reads what to_json wrote.

        Raises:
          RolloutError: it is something else.
        """
        try:
            return _STATE.validate_json(text)
        except ValueError as err:
            raise RolloutError(
                "rollout.json is damaged; remove it, and what is stable by models.config stays so"
            ) from err


_STATE = TypeAdapter(RolloutState)
