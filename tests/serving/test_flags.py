"""Flags: as the original spells them, and what of them is refused."""

import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from serving.modelserver.errors import InvalidArgumentError
from serving.modelserver.flags import parse_flags


def test_flags_are_spelled_as_in_the_original(caplog: pytest.LogCaptureFixture) -> None:
    channel_arguments = "grpc.max_connection_age_ms=2000,grpc.lb_policy_name=grpclb"
    flags = parse_flags(
        ["--port=1", "--model_base_path=/m", "--enable_batching", "--batching_parameters_file=b",
         "--enable_model_warmup=false", f"--grpc_channel_arguments={channel_arguments}", "--enable_profiler",
         "--rest_api_timeout_in_ms=5000", "--xla_gpu_compilation_enabled"]
    )  # fmt: skip
    assert (flags.port, flags.enable_batching, flags.enable_model_warmup) == (1, True, False)
    assert flags.grpc_channel_arguments == channel_arguments
    assert "--rest_api_timeout_in_ms has no meaning here and is ignored" in caplog.text


def test_flags_that_are_not_given_are_as_in_the_original() -> None:
    flags = asdict(parse_flags([]))
    ours = {"engine": "auto", "drain_seconds": 30, "bind_address": "127.0.0.1", "mixed_precision": ""}
    assert flags == ours | {
        "port": 8500, "grpc_socket_path": "", "grpc_channel_arguments": "", "rest_api_port": 0,
        "monitoring_config_file": "", "model_name": "default", "model_base_path": "", "model_config_file": "",
        "model_config_file_poll_wait_seconds": 0, "file_system_poll_wait_seconds": 1,
        "max_num_load_retries": 5, "load_retry_interval_micros": 60_000_000,
        "num_load_threads": 0, "num_unload_threads": 0, "grpc_max_threads": 0,
        "saved_model_tags": "serve", "enable_model_warmup": True, "num_request_iterations_for_warmup": 1,
        "allow_version_labels_for_unavailable_models": False, "enable_grpc_healthcheck_service": False,
        "enable_serialization_as_tensor_content": False, "enable_signature_method_name_check": False,
        "enable_batching": False, "batching_parameters_file": "",
    }  # fmt: skip


def test_flags_of_predict_make_answers_contents_and_refuse_signatures_that_are_not_for_serving(
    launch: Any, publish: Any, base_path: Path
) -> None:
    publish("images", "1")
    flags = ("--enable_serialization_as_tensor_content", "--enable_signature_method_name_check")
    client = launch(f"--model_base_path={base_path}", *flags).ready()
    label = client.predict({"name": "default"}, {"images": np.zeros((2, 8, 8, 1), np.uint8)}).outputs["label"]
    assert (len(label.tensor_content), list(label.int64_val)) == (16, [])
    with pytest.raises(grpc.RpcError) as error:
        client.predict({"name": "default", "signature_name": "__saved_model_init_op"}, {})
    assert error.value.code() is grpc.StatusCode.INTERNAL
    assert error.value.details().startswith("Expected prediction signature method_name to be one of {tensorflow/")


def test_channel_arguments_reach_grpc_and_the_last_of_a_key_wins(launch: Any, publish: Any, base_path: Path) -> None:
    """Integers as such: gRPC takes no notice of a length that is text."""
    publish("half_plus_two", "1")
    lengths = "grpc.max_receive_message_length=5,grpc.max_receive_message_length=500"
    arguments = f"--grpc_channel_arguments={lengths},grpc.lb_policy_name=grpclb"
    client = launch(f"--model_base_path={base_path}", arguments).ready()
    assert client.half({"name": "default"}) == 3.0
    with pytest.raises(grpc.RpcError) as error:
        client.predict({"name": "default"}, {"x": np.zeros(500, np.float32)})
    assert error.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


@pytest.mark.parametrize("argument", ["--version", "--version=true"])
def test_the_version_is_told_to_who_asks(argument: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        parse_flags([argument])
    assert not end.value.code
    assert capsys.readouterr().out.startswith("TensorFlow ModelServer: ")
    assert parse_flags(["--version=false"])


@pytest.mark.parametrize("argument", ["--nope", "--port=x", "--enable_batching=maybe", "--model_nam=m", "stray"])
def test_a_wrong_flag_is_an_error(argument: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse_flags([argument])
    assert "usage:" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("argument", "text"),
    [
        ("--ssl_config_file=x", "--ssl_config_file is not supported by this stand-in"),
        ("--prefer_tflite_model=true", "--prefer_tflite_model is not supported by this stand-in"),
        ("--use_alts_credentials", "--use_alts_credentials is not supported by this stand-in"),
        ("--port=70000", "--port is 70000; ports are 0 to 65535"),
        ("--rest_api_port=-1", "--rest_api_port is -1; ports are 0 to 65535"),
        ("--num_load_threads=-1", "--num_load_threads is -1; it may be 0 or more"),
        ("--engine=nope", "--engine is 'nope'; it may be auto, tensorflow, openvino"),
        ("--mixed_precision=float16", "--mixed_precision is 'float16'; it may be bfloat16 or empty"),
        ("--batching_parameters_file=x", "server_options.batching_parameters_file is set without"),
    ],
)
def test_flags_that_cannot_be_met_are_refused(argument: str, text: str) -> None:
    with pytest.raises(InvalidArgumentError, match=f"^{re.escape(text)}"):
        parse_flags([argument])


@pytest.mark.parametrize(
    "argument",
    ["--ssl_config_file=", "--prefer_tflite_model=false", "--use_alts_credentials=0", "--port=0", "--port=65535",
     "--drain_seconds=0", "--mixed_precision=bfloat16"],
)  # fmt: skip
def test_what_a_flag_may_be_at_its_limits_is_taken(argument: str) -> None:
    assert parse_flags([argument])


@pytest.mark.parametrize(("text", "value"), [("TRUE", True), ("1", True), ("False", False), ("0", False)])
def test_true_and_false_are_written_in_several_ways(text: str, value: bool) -> None:
    assert parse_flags([f"--enable_model_warmup={text}"]).enable_model_warmup == value


def test_who_asks_for_batching_is_told_that_there_is_none(caplog: pytest.LogCaptureFixture) -> None:
    parse_flags([])
    parse_flags(["--enable_batching"])
    assert caplog.messages == ["--enable_batching is accepted, but requests run one by one: batch in the client"]


@pytest.mark.parametrize(
    ("flags", "text"),
    [
        ((), "Both server_options.model_base_path and server_options.model_config_file are empty!"),
        (("--engine=nope",), "--engine is 'nope'; it may be auto, tensorflow, openvino"),
        (("--grpc_channel_arguments=a=1,b",), "--grpc_channel_arguments has 'b', which is not key=value"),
        (("--grpc_channel_arguments=a=1,",), "--grpc_channel_arguments has '', which is not key=value"),
        (("--grpc_channel_arguments==1",), "--grpc_channel_arguments has '=1', which is not key=value"),
    ],
)
def test_flags_that_cannot_be_met_end_the_start(launch: Any, flags: tuple[str, ...], text: str) -> None:
    server = launch(*flags)
    assert server.process.stdout.read().startswith(f"Failed to start server. Error: INVALID_ARGUMENT: {text}")
    assert server.process.wait(30) == 255
