"""Which engine runs a version, and that the caller cannot tell."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from tfserving_api.messages import PredictionLog, TensorProto

PIXELS = np.random.default_rng(0).integers(0, 255, (3, 8, 8, 1), np.uint8)
SIGNATURES = ("serving_default", "explain")


def shape(*sizes: int) -> dict[str, Any]:
    return {"dim": [{"size": size} for size in sizes]}


@pytest.fixture
def golden(zoo: Any) -> dict[str, Any]:
    """A question and TensorFlow's answer for each signature of the image model, as a trainer stores them."""
    logs = {}
    for signature in SIGNATURES:
        log = PredictionLog()
        request = log.predict_log.request
        request.model_spec.signature_name = signature
        request.inputs["images"].CopyFrom(
            TensorProto(dtype=4, tensor_content=PIXELS.tobytes(), tensor_shape=shape(*PIXELS.shape))
        )
        spec = {"name": "images", "signature_name": signature}
        log.predict_log.response.CopyFrom(zoo.predict(spec, {"images": PIXELS}))
        logs[signature] = log
    return logs


def uses_tensorflow(server: Any) -> bool:
    return "libtensorflow" in Path(f"/proc/{server.process.pid}/maps").read_text()


def test_with_stored_answers_openvino_serves_and_tensorflow_is_not_even_loaded(
    launch: Any, publish: Any, base_path: Path, golden: Any, write_warmup: Any, zoo: Any
) -> None:
    write_warmup(publish("images", "1"), list(golden.values()))
    server = launch("--model_name=images", f"--model_base_path={base_path}")
    client = server.ready()
    assert "{name: images version: 1} runs on OpenVINO" in server.log.read_text()
    assert not uses_tensorflow(server)
    for pixels in (PIXELS, PIXELS[:1], np.repeat(PIXELS, 9, 0), PIXELS[:0]):
        for signature in SIGNATURES:
            spec = {"name": "images", "signature_name": signature}
            ours, tensorflows = (each.predict(spec, {"images": pixels}) for each in (client, zoo))
            assert sorted(ours.outputs) == sorted(tensorflows.outputs)
            for alias, expected in tensorflows.outputs.items():
                actual = ours.outputs[alias]
                assert (actual.dtype, actual.tensor_shape) == (expected.dtype, expected.tensor_shape)
                # f32 on both sides; sums are taken in another order.
                assert actual.float_val == pytest.approx(expected.float_val, abs=1e-5)
                assert actual.int64_val == expected.int64_val
    assert list(client.predict({"name": "images"}, {"images": PIXELS}, ("label",)).outputs) == ["label"]


@pytest.mark.parametrize(
    ("stored", "reason"),
    [
        ("nothing", "no stored answers were read to check OpenVINO's against, for explain, serving_default"),
        ("one signature", "no stored answers were read to check OpenVINO's against, for explain"),
        ("one output", "no stored answers were read to check OpenVINO's against, for explain"),
        ("no tensor", "a stored answer cannot be read: unknown dtype or shape"),
        ("wrong answer", "probabilities of serving_default differs from the stored answer by up to 0.0"),
        ("wrong label", "label of explain differs from the stored answer"),
    ],
)
def test_without_proof_tensorflow_serves_and_the_log_says_why(
    launch: Any, publish: Any, base_path: Path, golden: Any, write_warmup: Any, zoo: Any, stored: str, reason: str
) -> None:
    version = publish("images", "1")
    if stored == "one signature":
        del golden["explain"]
    if stored == "one output":
        for alias in golden["serving_default"].predict_log.response.outputs:
            del golden["explain"].predict_log.response.outputs[alias]
    if stored == "no tensor":
        golden["explain"].predict_log.response.outputs["label"].dtype = 0
    if stored == "wrong answer":
        golden["serving_default"].predict_log.response.outputs["probabilities"].float_val[0] += 0.01
    if stored == "wrong label":
        golden["explain"].predict_log.response.outputs["label"].int64_val[0] ^= 1
    if stored != "nothing":
        write_warmup(version, list(golden.values()))
    server = launch("--model_name=images", f"--model_base_path={base_path}")
    answer = server.ready().predict({"name": "images"}, {"images": PIXELS})
    assert f"{{name: images version: 1}} runs on TensorFlow: {reason}" in server.log.read_text()
    assert uses_tensorflow(server)
    assert answer.outputs == zoo.predict({"name": "images"}, {"images": PIXELS}).outputs


def test_a_warm_up_request_that_openvino_refuses_keeps_the_version_on_tensorflow(
    launch: Any, publish: Any, base_path: Path, write_warmup: Any, zoo: Any
) -> None:
    as_declared, flat = PredictionLog(), PredictionLog()
    as_declared.predict_log.request.inputs["images"].CopyFrom(
        TensorProto(dtype=1, float_val=[1.0], tensor_shape=shape(2, 2, 2, 3))
    )
    inputs = dict(as_declared.predict_log.request.inputs)
    as_declared.predict_log.response.CopyFrom(zoo.predict({"name": "flat"}, inputs))
    flat.predict_log.request.inputs["images"].CopyFrom(TensorProto(dtype=1, float_val=[1.0], tensor_shape=shape(24)))
    write_warmup(publish("flat", "1"), [as_declared, flat])
    server = launch("--model_name=m", f"--model_base_path={base_path}", "--max_num_load_retries=0")
    server.ready()
    assert "runs on TensorFlow: a stored request fails: Input images has shape [24]" in server.log.read_text()


def test_what_openvino_cannot_convert_runs_on_tensorflow(
    launch: Any, publish: Any, base_path: Path, write_warmup: Any, zoo: Any
) -> None:
    number = TensorProto(dtype=1, float_val=[1.0], tensor_shape=shape(1, 1))
    string = TensorProto(dtype=7, string_val=[b"abc"], tensor_shape=shape(1))
    questions = {
        "serving_default": {"x": number},
        "regress_x_to_y": {"inputs": number},
        "no_inputs": {},
        "lengths": {"inputs": string},
    }
    logs = []
    for signature, inputs in questions.items():
        log = PredictionLog()
        request = log.predict_log.request
        request.model_spec.signature_name = signature
        for alias, tensor in inputs.items():
            request.inputs[alias].CopyFrom(tensor)
        spec = {"name": "half_plus_two", "signature_name": signature}
        log.predict_log.response.CopyFrom(zoo.predict(spec, inputs))
        logs.append(log)
    write_warmup(publish("half_plus_two", "1"), logs)
    server = launch("--model_name=m", f"--model_base_path={base_path}")
    assert server.ready().half() == 3.0
    assert re.search(r"runs on TensorFlow: signature (lengths|no_inputs) (has strings|loses)", server.log.read_text())


@pytest.mark.parametrize("writable_bytes", [0, 1000])
def test_where_nothing_can_be_written_for_openvino_a_version_runs_on_tensorflow(
    publish: Any, golden: Any, write_warmup: Any, writable_bytes: int
) -> None:
    version = publish("images", "1")
    write_warmup(version, list(golden.values()))
    script = f"""
import resource
from pathlib import Path
from serving.modelserver.loader import Loader
from serving.modelserver.metrics import Metrics
resource.setrlimit(resource.RLIMIT_FSIZE, ({writable_bytes}, {writable_bytes}))
print(type(Loader(Metrics()).load("images", 1, Path({str(version)!r})).engine).__name__)
"""
    result = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert result.stdout == "TensorFlowEngine\n"


def test_openvino_can_be_forced_and_then_a_version_that_it_cannot_serve_fails(
    launch: Any, publish: Any, base_path: Path
) -> None:
    publish("images", "1")
    flags = (f"--model_base_path={base_path}", "--engine=openvino", "--max_num_load_retries=0")
    server = launch(*flags)
    server.ready()
    assert not uses_tensorflow(server)
    publish("echo", "2")
    second = launch(*flags)
    assert "FAILED_PRECONDITION: OpenVINO cannot serve this version: signature " in second.process.stdout.read()


def test_openvino_has_tensorflows_words_for_a_wrong_dtype_and_its_own_for_a_wrong_shape(
    launch: Any, publish: Any, base_path: Path
) -> None:
    publish("images", "1")
    client = launch("--model_name=m", f"--model_base_path={base_path}", "--engine=openvino").ready()
    for images, text in (
        (PIXELS.astype(np.float32), "Expects arg[0] to be uint8 but float is provided"),
        (np.zeros(64, np.uint8), "Input images has shape [64]; it must be [?,8,8,1]"),
        (np.zeros((1, 9, 8, 1), np.uint8), "Input images has shape [1,9,8,1]; it must be [?,8,8,1]"),
    ):
        with pytest.raises(grpc.RpcError) as error:
            client.predict({"name": "m"}, {"images": images})
        assert (error.value.code().name, error.value.details()) == ("INVALID_ARGUMENT", text)
    assert client.predict({"name": "m"}, {"images": PIXELS})


@pytest.mark.parametrize("engine", ["tensorflow", "openvino"])
def test_the_init_op_is_no_signature_to_call(launch: Any, publish: Any, base_path: Path, engine: str) -> None:
    publish("images", "1")
    client = launch("--model_name=m", f"--model_base_path={base_path}", f"--engine={engine}").ready()
    with pytest.raises(grpc.RpcError) as error:
        client.predict({"name": "m", "signature_name": "__saved_model_init_op"}, {})
    assert (error.value.code().name, error.value.details()) == (
        "OUT_OF_RANGE",
        "Node 'NoOp' (type: 'NoOp', num of outputs: 0) does not have output 0",
    )


def test_openvino_opens_no_connection(saved_models: Path) -> None:
    script = f"""
import json, sys
from pathlib import Path
seen = []
sys.addaudithook(lambda event, _: seen.append(event) if event in ("socket.connect", "subprocess.Popen") else None)
from serving.modelserver.openvino_engine import OpenVINOEngine
from serving.modelserver.saved_model import read_signatures
path, tags = Path({str(saved_models / "images")!r}), frozenset(["serve"])
OpenVINOEngine(path, read_signatures(path, tags), tags, "f32")
print(json.dumps([seen, "tensorflow" in sys.modules]))
"""
    result = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert json.loads(result.stdout) == [[], False]
