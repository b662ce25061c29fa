"""What is to be told of a call when it ends."""

from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(slots=True)
class Call:
    """A call under way. Its handler fills in what only the handler knows."""

    model_version: int = 0
    """The version that answered; 0 for none, or, in a stream, for several."""


current: ContextVar[Call | None] = ContextVar("call", default=None)
"""The call that the running task works for; None outside of calls."""


def note_version(version: int) -> None:
    """Notes the version that answered."""
    if (call := current.get()) is not None:
        call.model_version = version
