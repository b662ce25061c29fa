"""A process that is tied to its parent begins only while that one lives."""

import os
import subprocess

import pytest

from trainer.jobs.leash import leashed


@pytest.mark.parametrize(("parent", "said"), [(os.getpid(), b"begun\n"), (1, b"")], ids=["lives", "has ended"])
def test_nothing_begins_for_a_parent_that_has_ended(parent: int, said: bytes) -> None:
    """The kernel tells of ends that come after the question alone."""
    command = leashed("-c", "print('begun')")
    assert command[3] == str(os.getpid())
    command[3] = str(parent)

    assert subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout == said
