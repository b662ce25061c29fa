"""Gives freed memory back to the system, as far as glibc is the allocator; elsewhere it does little."""

import ctypes

_M_ARENA_MAX = -8


def use_one_arena() -> None:
    """Lets all threads allocate from one arena. To be called before there are threads.

    Of the others, glibc never returns the top, where the weights of unloaded versions end up: 50 swaps of a
    30 MB model kept 120 MB.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt:
        mallopt(_M_ARENA_MAX, 1)


def release_memory() -> None:
    """Returns what is free in the arena, wherever in it that is."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim:
        trim(0)
