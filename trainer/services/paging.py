"""Tokens of pages: the number of the page's first entry, since all lists go from the newest to the oldest."""

import re

from trainer.errors import InvalidFieldError

_NEWEST = 10**18
"""Beyond all numbers."""


def first_of_page(page_token: str) -> int:
    """Returns the highest number that a page may hold; raises InvalidFieldError for what is no token."""
    if not page_token:
        return _NEWEST
    if not re.fullmatch(r"[0-9]{1,18}", page_token):
        raise InvalidFieldError("page_token is none that a page came with; leave it empty to start over", "page_token")
    return int(page_token)
