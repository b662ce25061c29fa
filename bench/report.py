"""Medians over the rounds, as tables and as JSON."""

import dataclasses
import json
import math
import os
import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench.rounds import Result

Round = dict[str, Result]


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure of one round that has a bar.

    Attributes:
      name: what is compared with what.
      wanted: the bar, as people read it.
      of: the figure.
    """

    name: str
    wanted: str
    of: Callable[[Round], float]


def figures(engine: str) -> list[Figure]:
    """The figures that count; `engine` is the runtime that serving uses, whose in-process limit is the measure."""
    limit = f"limit, {engine}"
    return [
        Figure("32 callers: images/s, gateway / serving", ">= 1.5", _throughput_ratio("gateway, 32", "serving, 32")),
        Figure("32 callers: images/s, gateway / limit", ">= 0.5", _throughput_ratio("gateway, 32", limit)),
        Figure("1 caller: p50, gateway / serving", "<= 1.6", _p50_ratio("gateway, 1", "serving, 1")),
        Figure("stream: images/s, stream / limit", ">= 0.65", _throughput_ratio("stream", limit)),
        Figure("stream: resident memory of the gateway, after / before", "1", _memory_growth),
        Figure(
            "32 callers: own CPU of the gateway for a call, ms",
            "<= 0.6",
            lambda ways: ways["gateway, 32"].server_cpu_ms - ways[limit].measurement.decode_cpu_ms,
        ),
        Figure("the same for an echo, ms", "", lambda ways: ways["echo, 32"].server_cpu_ms),
        Figure(
            "decoding and preprocessing of an image, CPU ms", "", lambda ways: ways[limit].measurement.decode_cpu_ms
        ),
        Figure("batch of 1: p50, serving - inference, ms", "<= 0.5", _overhead("serving")),
        Figure("the same for a bare gRPC server around the inference, ms", "", _overhead("bare gRPC")),
        Figure("errors through the gateway", "0", _gateway_errors),
    ]


def _throughput_ratio(way: str, other: str) -> Callable[[Round], float]:
    return lambda ways: _ratio(ways[way].measurement.images_per_s, ways[other].measurement.images_per_s)


def _p50_ratio(way: str, other: str) -> Callable[[Round], float]:
    return lambda ways: _ratio(ways[way].measurement.p50_ms, ways[other].measurement.p50_ms)


def _ratio(value: float, other: float) -> float:
    return value / other if other else math.nan


def _overhead(server: str) -> Callable[[Round], float]:
    return lambda ways: (
        ways[f"{server}, batch of 1"].measurement.p50_ms - ways["inference, batch of 1"].measurement.p50_ms
    )


def _memory_growth(ways: Round) -> float:
    before, after = ways["stream"].resident_mb
    return after / before


def _gateway_errors(ways: Round) -> float:
    return sum(result.measurement.errors for way, result in ways.items() if way.startswith(("gateway", "stream")))


def table(rounds: Sequence[Sequence[Result]], engine: str) -> str:
    """Returns medians over the rounds, for people: first each way, then the figures that have a bar."""
    by_way = _by_way(rounds)
    lines = [f"{'way, callers':<24}{'images/s':>10}{'p50 ms':>9}{'p99 ms':>9}{'errors':>8}{'server CPU ms':>15}"]
    lines += [_line(way, [ways[way] for ways in by_way]) for way in by_way[0]]
    lines += ["", f"{'ratios of one run':<60}{'measured':>10}{'wanted':>10}"]
    lines += [
        f"{figure.name:<60}{median(map(figure.of, by_way)):>10.2f}{figure.wanted:>10}" for figure in figures(engine)
    ]
    return "\n".join(lines)


def _line(way: str, results: Sequence[Result]) -> str:
    errors = sum(result.measurement.errors for result in results)
    return (
        f"{way:<24}{_middle(results, lambda result: result.measurement.images_per_s, 0):>10}"
        f"{_middle(results, lambda result: result.measurement.p50_ms):>9}"
        f"{_middle(results, lambda result: result.measurement.p99_ms):>9}"
        f"{errors:>8}{_middle(results, lambda result: result.server_cpu_ms):>15}"
    )


def _middle(results: Sequence[Result], figure: Callable[[Result], float], digits: int = 2) -> str:
    value = median(map(figure, results))
    return f"{value:.{digits}f}" if value else "-"


def write_json(rounds: Sequence[Sequence[Result]], engine: str, path: Path) -> None:
    """Writes all results of all rounds, and the medians of the figures that have a bar; null where one is none."""
    by_way = _by_way(rounds)
    medians = {figure.name: median(map(figure.of, by_way)) for figure in figures(engine)}
    content = {
        "machine": {
            "cpus": os.cpu_count(),
            "system": platform.platform(),
            "python": platform.python_version(),
            "load": os.getloadavg()[0],
        },
        "engine": engine,
        "rounds": [[dataclasses.asdict(result) for result in results] for results in rounds],
        "figures": {name: None if math.isnan(value) else value for name, value in medians.items()},
    }
    path.write_text(json.dumps(content, indent=2) + "\n")


def _by_way(rounds: Sequence[Sequence[Result]]) -> list[Round]:
    # The first round's order, whatever the others' was.
    return [{result.way: result for result in results} for results in rounds]
