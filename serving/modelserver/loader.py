"""Loads one version: signatures, engine, warm-up."""

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serving.modelserver.errors import FailedPreconditionError, ServingError
from serving.modelserver.golden import disagreement, without_golden
from serving.modelserver.metrics import Metrics
from serving.modelserver.openvino_engine import ConversionError, OpenVINOEngine
from serving.modelserver.saved_model import read_signatures
from serving.modelserver.servable import Servable
from serving.modelserver.tensorflow_engine import TensorFlowEngine
from serving.modelserver.warmup import read_warmup_records, warm_up

_log = logging.getLogger(__name__)

_TOLERANCE = 1e-3
_BF16_TOLERANCE = 5e-2
"""bfloat16 has eight bits of precision: answers were seen to be off by up to 0.016."""


@dataclass(frozen=True, slots=True)
class Loader:
    """What the flags say about loading."""

    metrics: Metrics
    tags: frozenset[str] = frozenset({"serve"})
    engine: str = "auto"
    """`auto`, `tensorflow` or `openvino`."""
    bf16: bool = False
    """Whether OpenVINO may compute in bfloat16."""
    enable_model_warmup: bool = True
    warmup_iterations: int = 1

    def load(self, name: str, version: int, path: Path) -> Servable:
        """Loads a version and replays its warm-up requests. When it returns, the version may serve.

        Raises:
          ServingError: it must not serve. Nothing of it stays in memory.
        """
        with self._counting_attempts(path):
            signatures = read_signatures(path, self.tags)
            records = read_warmup_records(path) if self.enable_model_warmup else []
            servable = self._on_engine(name, version, path, signatures, records)
        try:
            self._warm_up(servable, path, records)
        except BaseException:
            servable.engine.close()
            raise
        return servable

    def _on_engine(
        self, name: str, version: int, path: Path, signatures: Mapping[str, Any], records: list[Any]
    ) -> Servable:
        if self.engine != "tensorflow":
            try:
                servable = Servable(name, version, signatures, self._openvino(path, signatures, records))
                self._judge(servable, records)
            except ConversionError as err:
                if self.engine == "openvino":
                    raise FailedPreconditionError(f"OpenVINO cannot serve this version: {err}") from err
                _log.info("{name: %s version: %d} runs on TensorFlow: %s", name, version, err)
            else:
                _log.info("{name: %s version: %d} runs on OpenVINO", name, version)
                return servable
        return Servable(name, version, signatures, TensorFlowEngine(path, signatures, self.tags))

    def _openvino(self, path: Path, signatures: Mapping[str, Any], records: list[Any]) -> OpenVINOEngine:
        unproven = without_golden(signatures, records)
        if unproven and self.engine == "auto":
            raise ConversionError(f"no stored answers were read to check OpenVINO's against, for {', '.join(unproven)}")
        return OpenVINOEngine(path, signatures, self.tags, "bf16" if self.bf16 else "f32")

    def _judge(self, servable: Servable, records: list[Any]) -> None:
        """A signature that was converted wrongly must never serve."""
        try:
            difference = disagreement(servable, records, _BF16_TOLERANCE if self.bf16 else _TOLERANCE)
        except ServingError as err:
            difference = f"a stored request fails: {err.message}"
        except ValueError as err:
            difference = f"a stored answer cannot be read: {err}"
        if difference:
            servable.engine.close()
            raise ConversionError(difference)

    @contextmanager
    def _counting_attempts(self, path: Path) -> Iterator[None]:
        start, status = time.perf_counter(), "fail"
        try:
            yield
            status = "success"
            self.metrics.load_latency.observe_s(time.perf_counter() - start, str(path))
        finally:
            self.metrics.load_attempt_count.increment(str(path), status)

    def _warm_up(self, servable: Servable, path: Path, records: list[Any]) -> None:
        start, status = time.perf_counter(), "OK"
        try:
            warm_up(servable, records, self.warmup_iterations)
        except ServingError as err:
            status = err.status_string()
            raise
        finally:
            if records:
                self.metrics.model_warmup_latency.observe_s(time.perf_counter() - start, str(path), status)
                self.metrics.model_warmup_records_read.increment(str(path), status, by=len(records))
