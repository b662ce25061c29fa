"""Runs Python with an end tied to its parent's.

    python -m trainer.jobs.leash <process id of the parent> <arguments of python>

A process that is killed outright cannot end its children. The kernel does it instead. Asked for between fork
and exec, in a process full of threads, it could hang; so the new process asks for it itself.

Source: prctl(2), PR_SET_PDEATHSIG. It is kept across exec, and sent when the parent's *thread* that started the
process ends.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def leashed(*arguments: str) -> list[str]:
    """Returns the command that runs this interpreter with arguments and ends when the calling process does."""
    return [sys.executable, "-m", "trainer.jobs.leash", str(os.getpid()), *arguments]


def main() -> None:
    """Becomes what the arguments say."""
    parent, *arguments = sys.argv[1:]
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() == int(parent):  # else it had ended before we asked
        os.execv(sys.executable, [sys.executable, *arguments])  # noqa: S606  no shell is wanted


if __name__ == "__main__":
    main()
