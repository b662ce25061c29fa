"""Counters and histograms, with TensorFlow Serving's names, as Prometheus text."""

import bisect
import itertools
import re
import threading
from collections.abc import Iterator

_LATENCY_BOUNDS_US = tuple(10 * 1.8**i for i in range(33))

_Labels = tuple[str, ...]


class Counter:
    """A count for each combination of label values.

    Args:
      name: as in `/tensorflow/serving/request_count`.
      labels: their names.
    """

    def __init__(self, name: str, labels: _Labels) -> None:
        self.name = name
        self._labels = labels
        self._lock = threading.Lock()
        self._counts: dict[_Labels, int] = {}

    def increment(self, *label_values: str, by: int = 1) -> None:
        """Adds to the count of these values of the labels."""
        with self._lock:
            self._counts[label_values] = self._counts.get(label_values, 0) + by

    def total(self) -> int:
        """Over all label values."""
        with self._lock:
            return sum(self._counts.values())

    def lines(self) -> Iterator[str]:
        """The exposition format."""
        name = _exposed(self.name)
        with self._lock:
            counts = dict(self._counts)
        yield f"# TYPE {name} counter"
        for values, count in counts.items():
            yield f"{name}{{{_pairs(self._labels, values)}}} {count}"


class Histogram:
    """Times in microseconds, for each combination of label values.

    Args:
      name: as in `/tensorflow/serving/request_latency`.
      labels: their names.
    """

    def __init__(self, name: str, labels: _Labels) -> None:
        self.name = name
        self._labels = labels
        self._lock = threading.Lock()
        self._buckets: dict[_Labels, list[int]] = {}
        self._sums: dict[_Labels, float] = {}

    def observe_s(self, seconds: float, *label_values: str) -> None:
        """Adds one time, given in seconds, for these values of the labels."""
        microseconds = seconds * 1e6
        with self._lock:
            buckets = self._buckets.setdefault(label_values, [0] * (len(_LATENCY_BOUNDS_US) + 1))
            buckets[bisect.bisect_right(_LATENCY_BOUNDS_US, microseconds)] += 1
            self._sums[label_values] = self._sums.get(label_values, 0.0) + microseconds

    def total(self) -> int:
        """How many times were added, over all label values."""
        with self._lock:
            return sum(map(sum, self._buckets.values()))

    def lines(self) -> Iterator[str]:
        """The exposition format."""
        name = _exposed(self.name)
        with self._lock:
            points = [(values, list(buckets), self._sums[values]) for values, buckets in self._buckets.items()]
        yield f"# TYPE {name} histogram"
        for values, buckets, total in points:
            pairs = _pairs(self._labels, values)
            bounds = [f"{bound:g}" for bound in _LATENCY_BOUNDS_US] + ["+Inf"]
            for bound, count in zip(bounds, itertools.accumulate(buckets), strict=True):
                yield f'{name}_bucket{{{pairs},le="{bound}"}} {count}'
            yield f"{name}_sum{{{pairs}}} {_number(total)}"
            yield f"{name}_count{{{pairs}}} {sum(buckets)}"


class Metrics:
    """Everything that is measured."""

    def __init__(self) -> None:
        self.request_count = Counter("/tensorflow/serving/request_count", ("model_name", "status"))
        self.request_latency = Histogram("/tensorflow/serving/request_latency", ("model_name", "API", "entrypoint"))
        self.runtime_latency = Histogram("/tensorflow/serving/runtime_latency", ("model_name", "API", "runtime"))
        self.model_warmup_latency = Histogram("/tensorflow/serving/model_warmup_latency", ("model_path", "status"))
        self.model_warmup_records_read = Counter(
            "/tensorflow/serving/model_warmup_records_read", ("model_path", "status")
        )
        self.load_attempt_count = Counter("/tensorflow/cc/saved_model/load_attempt_count", ("model_path", "status"))
        self.load_latency = Histogram("/tensorflow/cc/saved_model/load_latency", ("model_path",))

    def _all(self) -> list[Counter | Histogram]:
        return sorted(vars(self).values(), key=lambda metric: metric.name)

    def exposition(self) -> str:
        """The page that Prometheus reads."""
        return "".join(f"{line}\n" for metric in self._all() for line in metric.lines())

    def totals(self) -> dict[str, int]:
        """Count of each metric over all its labels, by TensorFlow Serving's name."""
        return {metric.name: metric.total() for metric in self._all()}


def _number(value: float) -> str:
    """All digits, of which the original tells six, and like there no point behind which there is none."""
    return repr(value).removesuffix(".0")


def _exposed(name: str) -> str:
    return re.sub(r"[^a-zA-Z0-9_]", ":", name)


def _pairs(labels: _Labels, values: _Labels) -> str:
    escaped = [value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") for value in values]
    return ",".join(f'{label}="{value}"' for label, value in zip(labels, escaped, strict=True))
