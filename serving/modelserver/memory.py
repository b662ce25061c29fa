"""Gives freed memory back to the system."""

import ctypes
import gc


def release_memory() -> None:
    """Returns what is free in the allocator. Without it a server that has swapped models keeps several of them.

    Only glibc has such a call; elsewhere this collects garbage and no more.
    """
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim:
        trim(0)
