"""What is looked up whenever Prometheus asks: the jobs by state, and the versions that labels lead to."""

import logging
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from trainer.errors import RolloutError
from trainer.jobs.operation import State
from trainer.rollout.state import CANARY, STABLE

_COUNT = "SELECT state, count(*) FROM operations GROUP BY state"

_logger = logging.getLogger(__name__)


class Present(Collector):
    """Reads files, in the thread that answers Prometheus.

    Args:
      database: of the operations.
      labels: returns the versions that labels lead to; may raise RolloutError.
    """

    def __init__(self, database: Path, labels: Callable[[], Mapping[str, int]]) -> None:
        self._database = database
        self._labels = labels

    def collect(self) -> Iterator[Metric]:
        """Yields what can be read; what cannot is left out."""
        try:
            yield self._jobs()
            yield self._versions()
        except (sqlite3.Error, RolloutError) as err:
            _logger.warning("the present state cannot be told", extra={"problem": str(err)})

    def _jobs(self) -> Metric:
        metric = GaugeMetricFamily("braintumor_trainer_jobs", "Jobs that are known, by state.", labels=["state"])
        with closing(sqlite3.connect(f"{self._database.absolute().as_uri()}?mode=ro", uri=True, timeout=1)) as database:
            counts = dict(database.execute(_COUNT).fetchall())
        for state in State:
            metric.add_metric([state], counts.get(state, 0))
        return metric

    def _versions(self) -> Metric:
        help_text = "Version that a label was given to last; 0 for none."
        metric = GaugeMetricFamily("braintumor_trainer_version", help_text, labels=["label"])
        labels = self._labels()
        for label in (STABLE, CANARY):
            metric.add_metric([label], labels.get(label, 0))
        return metric


@contextmanager
def registered(collector: Collector, registry: CollectorRegistry) -> Iterator[None]:
    """Has a collector asked until the block ends."""
    registry.register(collector)
    try:
        yield
    finally:
        registry.unregister(collector)
