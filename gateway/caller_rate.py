"""How many calls and images each caller may send."""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

_MAX_CALLERS = 10_000
"""Buckets that are kept. A caller whose bucket had to go begins with a full one."""


@dataclass(slots=True)
class _Bucket:
    tokens: float
    seen_s: float


class CallerRate:
    """A bucket of tokens for each caller, which fills at a steady rate.

    Source: the token bucket of RFC 2697, section 3, with one rate.

    Args:
      rate: tokens a second.
      burst: tokens that a bucket holds, at least 1.
      clock: seconds that only grow.
    """

    def __init__(self, rate: float, burst: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._burst = burst
        self._clock = clock
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def take(self, caller: str) -> float:
        """Takes a token where there is one.

        Returns:
          0, or where there is none the time until there is one, in seconds.
        """
        bucket = self._filled(caller)
        if bucket.tokens < 1:
            return (1 - bucket.tokens) / self._rate
        bucket.tokens -= 1
        return 0.0

    def reserve(self, caller: str) -> float:
        """Takes the next token, be it there or not; returns the time until it is, in seconds."""
        bucket = self._filled(caller)
        bucket.tokens -= 1
        return max(0.0, -bucket.tokens / self._rate)

    def give_back(self, caller: str) -> None:
        """Gives back a token that was reserved and is not needed."""
        self._filled(caller).tokens += 1

    def _filled(self, caller: str) -> _Bucket:
        now_s = self._clock()
        bucket = self._buckets.setdefault(caller, _Bucket(self._burst, now_s))
        self._buckets.move_to_end(caller)
        if len(self._buckets) > _MAX_CALLERS:
            self._buckets.popitem(last=False)
        bucket.tokens = min(self._burst, bucket.tokens + (now_s - bucket.seen_s) * self._rate)
        bucket.seen_s = now_s
        return bucket
