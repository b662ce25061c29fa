"""How far a version vouches for a verdict, as its output `reliability` numbers it."""

from enum import IntEnum


class Reliability(IntEnum):
    """Values are those of the contract's enum."""

    RELIABLE = 1
    UNCERTAIN = 2
    OUT_OF_DOMAIN = 3
