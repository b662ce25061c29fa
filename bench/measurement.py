"""Figures of one run of callers, and how they pass between processes."""

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np


@dataclass(frozen=True, slots=True)
class Measurement:
    """What callers of one way saw.

    Attributes:
      seconds: length of the measured time.
      answers: images answered within it.
      errors: calls that failed, warm-up included.
      calls: all calls, warm-up included: what the processor time of a server is divided by.
      p50_ms: median latency of the answers, 0 where there is no latency to speak of.
      p99_ms: their 99th percentile.
      decode_cpu_ms: processor time of decoding and preprocessing of one image, where it was measured.
    """

    seconds: float
    answers: int
    errors: int
    calls: int
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    decode_cpu_ms: float = 0.0

    @classmethod
    def of_latencies(cls, latencies_s: Sequence[float], seconds: float, errors: int, calls: int) -> Self:
        """Sums up the latencies of the answers."""
        p50, p99 = np.percentile(latencies_s, [50, 99]) * 1e3 if latencies_s else (0.0, 0.0)
        return cls(seconds, len(latencies_s), errors, calls, float(p50), float(p99))

    @property
    def images_per_s(self) -> float:
        """Throughput."""
        return self.answers / self.seconds

    def to_json(self) -> str:
        """One line, which from_json reads."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, line: str) -> Self:
        """Reads what to_json wrote."""
        return cls(**json.loads(line))
