"""Figures of callers."""

import pytest

from bench.measurement import Measurement


def test_latencies_are_summed_up():
    found = Measurement.of_latencies([i / 1000 for i in range(1, 102)], seconds=2, errors=3, calls=200)
    assert (found.answers, found.errors, found.calls) == (101, 3, 200)
    assert found.images_per_s == 50.5
    assert found.p50_ms == pytest.approx(51)
    assert found.p99_ms == pytest.approx(100)


def test_no_answer_is_no_latency():
    found = Measurement.of_latencies([], seconds=2, errors=7, calls=7)
    assert (found.images_per_s, found.p50_ms, found.p99_ms) == (0, 0, 0)


def test_it_passes_between_processes_unchanged():
    found = Measurement.of_latencies([0.001, 0.0023], seconds=1.5, errors=0, calls=2)
    assert Measurement.from_json(found.to_json()) == found
