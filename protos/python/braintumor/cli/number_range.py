"""Arguments and options that are numbers."""

import math
from typing import Any

import click

VERSION_NUMBER = click.IntRange(1, 2**63 - 1)
"""What commands take for a version."""


class NumberRange(click.FloatRange):
    """As click's, which takes NaN for a number of each range."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Returns the number; wrong usage where it is none, or not in the range."""
        number: float = super().convert(value, param, ctx)
        if math.isnan(number):
            self.fail(f"{value!r} is not a number.", param, ctx)
        return number
