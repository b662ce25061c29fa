"""Warm-up requests: their file, their replay, and what a bad one does."""

import struct
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from serving.modelserver.errors import DataLossError, InvalidArgumentError
from serving.modelserver.servable import Servable
from serving.modelserver.warmup import read_warmup_records, warm_up
from tfserving_api.messages import GetModelStatusRequest, PredictionLog, SignatureDef, TensorProto
from tfserving_api.tensors import Tensor

AVAILABLE, END = 30, 50


def question(alias: str = "x", steps: int | None = None) -> Any:
    log = PredictionLog()
    request = log.predict_log.request
    request.model_spec.name = "any name"
    request.model_spec.version.value = 99
    if steps is None:
        value = TensorProto(dtype=1, float_val=[1.0], tensor_shape={"dim": [{"size": 1}]})
    else:
        value = TensorProto(dtype=9, int64_val=[steps], tensor_shape={})
    request.inputs[alias].CopyFrom(value)
    return log


def test_records_are_read_in_order(tmp_path: Path, write_warmup: Any) -> None:
    write_warmup(tmp_path, [question("a"), question("b")])
    aliases = [list(log.predict_log.request.inputs) for log in read_warmup_records(tmp_path)]
    assert aliases == [["a"], ["b"]]
    assert read_warmup_records(tmp_path / "nothing") == []


@pytest.mark.parametrize("damage", ["length", "body", "cut", "text"])
def test_a_damaged_file_is_data_loss(tmp_path: Path, write_warmup: Any, damage: str) -> None:
    write_warmup(tmp_path, [question()])
    path = tmp_path / "assets.extra" / "tf_serving_warmup_requests"
    content = bytearray(path.read_bytes())
    if damage == "length":
        content[:8] = struct.pack("<Q", 2**60)
    elif damage == "body":
        content[20] ^= 1
    path.write_bytes({"cut": content[:-2], "text": b"not a TFRecord"}.get(damage, content))
    with pytest.raises(DataLossError, match="Please verify your warmup data is in TFRecord format"):
        read_warmup_records(tmp_path)


def test_too_many_and_unreadable_records_are_refused(tmp_path: Path, write_warmup: Any) -> None:
    write_warmup(tmp_path, [question()] * 1001)
    with pytest.raises(InvalidArgumentError, match=r"Number of warmup records exceeds the maximum \(1000\) at"):
        read_warmup_records(tmp_path)
    write_warmup(tmp_path, [b"\xff\xff no message"])
    with pytest.raises(InvalidArgumentError, match="Failed to parse warmup record: "):
        read_warmup_records(tmp_path)


class Counting:
    """An engine that counts its runs."""

    def __init__(self) -> None:
        self.runs = 0

    def run(self, *_: Any) -> dict[str, Tensor]:
        self.runs += 1
        return {}

    def close(self) -> None:
        pass


@pytest.mark.parametrize(("iterations", "runs"), [(3, 6), (1, 2), (0, 2)])
def test_each_record_is_replayed_as_often_as_told_and_once_at_least(iterations: int, runs: int) -> None:
    engine = Counting()
    signature = SignatureDef(inputs={"x": {"dtype": 1}}, outputs={"y": {"dtype": 1}})
    warm_up(Servable("m", 1, {"serving_default": signature}, engine), [question(), question()], iterations)
    assert engine.runs == runs


def test_without_warm_up_what_travels_with_a_version_is_not_read(
    launch: Any, publish: Any, base_path: Path, write_warmup: Any
) -> None:
    write_warmup(publish("half_plus_two", "1"), [b"\xff\xff no message"])
    server = launch("--model_name=m", f"--model_base_path={base_path}", "--enable_model_warmup=false")
    assert server.ready().half() == 3.0


def test_a_version_whose_warm_up_fails_does_not_serve(
    launch: Any, publish: Any, base_path: Path, write_warmup: Any, eventually: Any
) -> None:
    write_warmup(
        publish("half_plus_two", "1"), [question(), PredictionLog(classify_log={}), PredictionLog(), question()]
    )
    server = launch("--model_name=m", f"--model_base_path={base_path}", "--max_num_load_retries=0")
    client = server.ready()
    assert "skipping a warm-up record of kind classify_log" in server.log.read_text()
    for version, logs, code, text in (
        ("2", [question("nope")], 3, "Signature input alias: x(feed name: x:0) not found"),
        ("3", [PredictionLog(session_run_log={})], 12, "Unsupported log_type for warmup: session_run_log"),
    ):
        unfinished = publish("half_plus_three", f"{version}.unready")
        write_warmup(unfinished, logs)
        unfinished.rename(base_path / version)
        eventually(lambda version=version: client.states().get(int(version)) == END)
        assert text in server.log.read_text()
        spec = {"name": "m", "version": {"value": int(version)}}
        (told,) = client.call("GetModelStatus", GetModelStatusRequest(model_spec=spec)).model_version_status
        assert (told.status.error_code, told.status.error_message.startswith(text)) == (code, True)
        assert client.half() == 3.0


def test_nothing_of_a_version_whose_warm_up_fails_stays_in_memory(publish: Any, write_warmup: Any) -> None:
    version = publish("half_plus_two", "1")
    write_warmup(version, [question("nope")])
    script = f"""
from pathlib import Path
from serving.modelserver.errors import InvalidArgumentError
from serving.modelserver.loader import Loader, TensorFlowEngine
from serving.modelserver.metrics import Metrics
close = TensorFlowEngine.close
TensorFlowEngine.close = lambda engine: print("closed", close(engine))
try:
    Loader(Metrics()).load("m", 1, Path({str(version)!r}))
except InvalidArgumentError:
    print("refused")
"""
    result = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert result.stdout == "closed None\nrefused\n"


def test_predictions_go_on_while_a_version_warms_up(
    launch: Any, publish: Any, base_path: Path, write_warmup: Any, eventually: Any
) -> None:
    publish("counter", "1")
    client = launch("--model_name=m", f"--model_base_path={base_path}").ready()
    served: list[int] = []
    stop = threading.Event()

    def call() -> None:
        while not stop.is_set():
            served.append(client.predict({"name": "m"}, {"steps": np.array(3)}).model_spec.version.value)

    caller = threading.Thread(target=call)
    caller.start()
    try:
        unfinished = publish("counter", "2.unready")
        write_warmup(unfinished, [question("steps", 80_000)])
        unfinished.rename(base_path / "2")
        eventually(lambda: 2 in client.states())
        before = len(served)
        assert client.states()[2] < AVAILABLE
        eventually(lambda: client.states()[2] == AVAILABLE)
        during = len(served) - before
        eventually(lambda: served[-1] == 2)
    finally:
        stop.set()
        caller.join()
    assert during > 10
    assert sorted(served) == served
