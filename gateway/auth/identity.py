"""A caller who is known."""

import re
from dataclasses import dataclass

from gateway.auth.rights import Right

_NAME = re.compile(r"[!-~]{1,128}")


@dataclass(frozen=True, slots=True)
class Identity:
    """Who calls, and what they were given."""

    name: str
    rights: frozenset[Right]


def is_name(text: object) -> bool:
    """Tells whether a text can be a caller's name: up to 128 visible ASCII characters, fit for logs and metadata."""
    return isinstance(text, str) and _NAME.fullmatch(text) is not None
