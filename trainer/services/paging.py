"""Pages of lists, which all go from the newest entry to the oldest. A page's token is the number of its first one."""

import re

from trainer.errors import InvalidFieldError

_DEFAULT_SIZE, _LARGEST_SIZE = 100, 1000
_NEWEST = 2**63 - 1
"""There are no higher numbers."""


def size_of_page(page_size: int) -> int:
    """Returns how many entries a page has, at most; raises InvalidFieldError where a caller asks for less than none."""
    if page_size < 0:
        raise InvalidFieldError(f"page_size is {page_size}, but 0 or more is needed", "page_size")
    return min(page_size or _DEFAULT_SIZE, _LARGEST_SIZE)


def first_of_page(page_token: str) -> int:
    """Returns the highest number that a page may hold; raises InvalidFieldError for what is no token."""
    if not page_token:
        return _NEWEST
    if not re.fullmatch(r"[0-9]{1,19}", page_token):
        raise InvalidFieldError("page_token is none that a page came with; leave it empty to start over", "page_token")
    return min(int(page_token), _NEWEST)
