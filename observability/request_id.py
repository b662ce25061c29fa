"""The id that ties a call, its log records and its answer together."""

import random
import re
from contextvars import ContextVar

METADATA_KEY = "x-request-id"
"""Metadata key under which callers send an id and get it back."""

current: ContextVar[str] = ContextVar("request_id", default="")
"""Id of the call that the running task, or job, works for; empty outside of calls."""

_ACCEPTABLE = re.compile(r"[\w.:/+=-]{1,128}", re.ASCII)


def accept(offered: str | bytes | None) -> str:
    """Returns the caller's id, or a fresh one where there is none or it does not suit a log."""
    if isinstance(offered, str) and _ACCEPTABLE.fullmatch(offered):
        return offered
    return f"{random.getrandbits(64):016x}"
