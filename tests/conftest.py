"""What every test may rely on."""

import signal
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True, scope="session")
def children_can_be_interrupted() -> Iterator[None]:
    """Processes in the background of a script ignore SIGINT, and so would the children that tests send it to."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
