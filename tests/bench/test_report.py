"""Tables and ratios of the bench."""

import json

from bench.measurement import Measurement
from bench.report import table, write_json
from bench.rounds import BATCHES, Result


def round_of(gateway: float, errors: int = 0) -> list[Result]:
    """A round in which all but the gateway's throughput at 32 callers is plain."""

    def result(way: str, images: float, p50_ms: float, cpu_ms: float = 0.0, **more: float) -> Result:
        return Result(way, Measurement(1.0, int(images), 0, int(images), p50_ms, 2 * p50_ms, **more), cpu_ms)

    stream = Measurement(1.0, 800, errors, 800)
    return [
        result("gateway, 1", 200, 5.0),
        result("serving, 1", 250, 4.0),
        result("gateway, 32", gateway, 40.0, cpu_ms=1.1),
        result("serving, 32", 400, 80.0),
        *(result(f"serving, batch of {size}", 100, 2.0 * size) for size in BATCHES),
        *(result(f"bare gRPC, batch of {size}", 100, 1.75 * size) for size in BATCHES),
        *(result(f"inference, batch of {size}", 100, 1.5 * size) for size in BATCHES),
        Result("stream", stream, 1.0, (60.0, 63.0)),
        result("limit, tensorflow", 1000, 0.0, decode_cpu_ms=0.6),
        result("echo, 32", 4000, 8.0, cpu_ms=0.2),
    ]


ROUNDS = [round_of(700), round_of(100), list(reversed(round_of(800, errors=2)))]


def measured(name: str) -> float:
    (line,) = [line for line in table(ROUNDS, "tensorflow").splitlines() if line.startswith(name)]
    return float(line[60:70])


def test_ratios_are_medians_over_the_rounds():
    assert measured("32 callers: images/s, gateway / serving") == 1.75
    assert measured("32 callers: images/s, gateway / limit") == 0.7
    assert measured("1 caller: p50, gateway / serving") == 1.25
    assert measured("stream: images/s, stream / limit") == 0.8
    assert measured("stream: resident memory") == 1.05


def test_the_gateways_own_cost_is_without_decoding():
    assert measured("32 callers: own CPU of the gateway") == 0.5


def test_the_cost_of_a_call_to_serving_is_without_inference():
    assert measured("batch of 1: p50, serving - inference") == 0.5
    assert measured("the same for a bare gRPC server") == 0.25


def test_errors_of_all_rounds_are_shown():
    (line,) = [line for line in table(ROUNDS, "tensorflow").splitlines() if line.startswith("stream  ")]
    assert line.split()[4] == "2"


def test_json_holds_every_round(tmp_path):
    write_json(ROUNDS, "tensorflow", tmp_path / "bench.json")
    found = json.loads((tmp_path / "bench.json").read_text())
    assert len(found["rounds"]) == 3
    assert found["rounds"][0][2]["measurement"]["answers"] == 700
    assert found["figures"]["32 callers: images/s, gateway / limit"] == 0.7


def test_json_of_a_bench_in_which_nobody_was_answered_is_json(tmp_path):
    """JSON has no word for what is not a number."""
    silent = [Result(result.way, Measurement(1.0, 0, 9, 9), 0.0, result.resident_mb) for result in round_of(700)]
    write_json([silent], "tensorflow", tmp_path / "bench.json")
    found = json.loads((tmp_path / "bench.json").read_text(), parse_constant=lambda word: f"{word} is no JSON")
    assert found["figures"]["1 caller: p50, gateway / serving"] is None
