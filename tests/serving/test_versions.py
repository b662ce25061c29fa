"""Which versions are served, and how they come and go."""

import os
import shutil
import signal
import threading
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tfserving_api.messages import ModelServerConfig, PredictRequest, PredictResponse, ReloadConfigRequest, TensorProto

AVAILABLE, UNLOADING, END = 30, 40, 50
FAST = ("--max_num_load_retries=0",)


def single(base_path: Path, *flags: str) -> tuple[str, ...]:
    return ("--model_name=m", f"--model_base_path={base_path}", *FAST, *flags)


def test_a_new_version_takes_over_without_a_failed_call(
    launch: Any, publish: Any, base_path: Path, eventually: Any
) -> None:
    publish("half_plus_two", "00000123")
    client = launch(*single(base_path)).ready()
    answers: list[float] = []
    stop = threading.Event()

    def call() -> None:
        while not stop.is_set():
            answers.append(client.half())

    callers = [threading.Thread(target=call) for _ in range(4)]
    for caller in callers:
        caller.start()
    try:
        publish("half_plus_three", "124")
        eventually(lambda: client.states() == {124: AVAILABLE, 123: END})
    finally:
        stop.set()
        for caller in callers:
            caller.join()
    assert answers[0] == 3.0
    assert answers[-1] == 4.0
    assert sorted(answers) == answers or set(answers) == {3.0, 4.0}


def test_a_removed_version_gives_way_to_the_next_lower_and_the_last_leaves_nothing(
    launch: Any, publish: Any, base_path: Path, eventually: Any
) -> None:
    publish("half_plus_two", "1")
    newest = publish("half_plus_three", "2")
    client = launch(*single(base_path)).ready()
    assert client.half() == 4.0
    newest.rename(base_path / "gone")
    eventually(lambda: client.states() == {2: END, 1: AVAILABLE})
    assert client.half() == 3.0
    shutil.rmtree(base_path / "1")
    eventually(lambda: client.states() == {2: END, 1: END})
    with pytest.raises(grpc.RpcError) as error:
        client.half()
    assert error.value.details() == "Servable not found for request: Latest(m)"
    (base_path / "gone").rename(newest)
    eventually(lambda: client.states()[2] == AVAILABLE)
    assert client.half() == 4.0


def test_the_port_opens_only_when_a_version_serves(launch: Any, publish: Any, base_path: Path, eventually: Any) -> None:
    server = launch(*single(base_path))
    eventually(lambda: "No versions of servable m found" in server.log.read_text())
    assert server.process.poll() is None
    publish("half_plus_two", "1")
    assert server.ready().half() == 3.0


def test_a_broken_version_leaves_the_old_one_serving_and_loads_once_it_is_repaired(
    launch: Any, publish: Any, base_path: Path, saved_models: Path, eventually: Any
) -> None:
    publish("half_plus_two", "1")
    client = launch(*single(base_path)).ready()
    publish("no_variables", "2")
    eventually(lambda: client.states() == {2: END, 1: AVAILABLE})
    assert client.half() == 3.0
    shutil.copytree(saved_models / "half_plus_three" / "variables", base_path / "2" / "variables")
    eventually(lambda: client.states() == {2: AVAILABLE, 1: END})


def test_a_broken_version_holds_up_no_start(launch: Any, publish: Any, base_path: Path, tmp_path: Path) -> None:
    publish("half_plus_two", "1")
    publish("no_variables", "2")
    config, policy = ModelServerConfig(), {"latest": {"num_versions": 2}}
    config.model_config_list.config.add(
        name="m", base_path=str(base_path), model_platform="tensorflow", model_version_policy=policy
    )
    config_file = tmp_path / "models.config"
    config_file.write_text(str(config))
    assert launch(f"--model_config_file={config_file}", *FAST).ready().half() == 3.0


def test_a_base_path_that_vanishes_unloads_nothing(launch: Any, publish: Any, base_path: Path, eventually: Any) -> None:
    publish("half_plus_two", "1")
    server = launch(*single(base_path))
    client = server.ready()
    base_path.rename(base_path.with_name("away"))
    eventually(lambda: "Could not find base path" in server.log.read_text())
    assert client.half() == 3.0
    assert client.states() == {1: AVAILABLE}


def unknown(version: Path) -> bytes:
    """Its graph, with an operation that TensorFlow does not have, as those of TensorFlow Text."""
    return (version / "saved_model.pb").read_bytes().replace(b"StringLength", b"CaseFoldUTF8")


@pytest.mark.parametrize(
    ("damage", "code"),
    [
        (lambda version: (version / "saved_model.pb").unlink(), "NOT_FOUND"),
        (lambda version: (version / "saved_model.pb").write_bytes(b"\x12\x34"), "OUT_OF_RANGE"),
        (lambda version: os.truncate(version / "saved_model.pb", 1000), "OUT_OF_RANGE: Read less bytes than requested"),
        (lambda version: (version / "saved_model.pb").write_bytes(b"no model"), "DATA_LOSS: Can't parse "),
        (
            lambda version: (version / "saved_model.pb").write_bytes(unknown(version)),
            "NOT_FOUND: Op type not registered ",
        ),
        (lambda version: shutil.rmtree(version / "variables"), "NOT_FOUND"),
        (lambda version: (version / "variables" / "variables.data-00000-of-00001").unlink(), "NOT_FOUND"),
        (lambda version: (version / "variables" / "variables.data-00000-of-00001").write_bytes(b""), "OUT_OF_RANGE"),
    ],
)
def test_a_start_without_a_version_that_loads_fails_with_its_error(
    launch: Any, publish: Any, base_path: Path, damage: Any, code: str
) -> None:
    damage(publish("half_plus_two", "1"))
    server = launch(*single(base_path))
    output = server.process.stdout.read()
    assert output.startswith(
        "Failed to start server. Error: UNKNOWN: 1 servable(s) did not become available: "
        f"{{{{{{name: m version: 1}} due to error: {code}"
    )
    assert server.process.wait(30) == 255


def begin_call(client: Any, steps: int, timeout_s: float) -> Any:
    """Starts a call as long as its steps are many, and returns the future."""
    request = PredictRequest(model_spec={"name": "m"})
    request.inputs["steps"].CopyFrom(TensorProto(dtype=9, int64_val=[steps], tensor_shape={}))
    method = "/tensorflow.serving.PredictionService/Predict"
    call = client.channel.unary_unary(method, PredictRequest.SerializeToString, PredictResponse.FromString)
    return call.future(request, timeout=timeout_s)


def slow_call(client: Any, steps: int, timeout_s: float) -> Any:
    """The same, once the server is at it."""
    future = begin_call(client, steps, timeout_s)
    client.predict({"name": "m"}, {"steps": np.array(1)})
    return future


def begin_reload(client: Any, **base_paths: Path) -> Any:
    """Asks for models at these paths, and returns the future."""
    request = ReloadConfigRequest()
    for name, base_path in base_paths.items():
        request.config.model_config_list.config.add(name=name, base_path=str(base_path), model_platform="tensorflow")
    method = "/tensorflow.serving.ModelService/HandleReloadConfigRequest"
    return client.channel.unary_unary(method, ReloadConfigRequest.SerializeToString).future(request, timeout=60)


def test_calls_that_take_long_hold_up_only_their_like(launch: Any, publish: Any, base_path: Path) -> None:
    publish("counter", "1")
    flags = ("--enable_grpc_healthcheck_service", "--grpc_max_threads=1", "--drain_seconds=0")
    client = launch(*single(base_path), *flags).ready()
    reload = begin_reload(client, m=base_path, n=base_path / "nowhere")
    client.predict({"name": "m"}, {"steps": np.array(1)}, timeout_s=10)
    slow = begin_call(client, 10**12, 60.0)
    health = health_pb2_grpc.HealthStub(client.channel)
    assert health.Check(health_pb2.HealthCheckRequest(), timeout=10).status
    assert client.states() == {1: AVAILABLE}
    assert not reload.done()
    assert not slow.done()


def test_a_call_in_flight_keeps_its_version_alive(launch: Any, publish: Any, base_path: Path, eventually: Any) -> None:
    publish("counter", "1")
    client = launch(*single(base_path)).ready()
    slow = slow_call(client, 10**12, 4.0)
    publish("half_plus_two", "2")
    eventually(lambda: client.states().get(2) == AVAILABLE)
    assert client.half() == 3.0
    assert client.states()[1] == UNLOADING
    assert slow.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    eventually(lambda: client.states()[1] == END)


def test_sigterm_lets_calls_in_flight_finish_also_where_it_comes_twice(
    launch: Any, publish: Any, base_path: Path, eventually: Any
) -> None:
    publish("counter", "1")
    server = launch(*single(base_path))
    slow = slow_call(server.ready(), 60_000, 60.0)
    server.process.terminate()
    eventually(lambda: "Draining" in server.log.read_text())
    server.process.send_signal(signal.SIGINT)
    assert slow.result().outputs["steps"].int64_val == [60_000]
    assert server.process.wait(30) == 0
    assert "Traceback" not in server.log.read_text()


def test_sigterm_ends_a_server_at_once_that_has_nothing_to_do(launch: Any, publish: Any, base_path: Path) -> None:
    publish("half_plus_two", "1")
    for _ in range(3):
        server = launch(*single(base_path))
        server.ready()
        server.process.terminate()
        assert server.process.wait(10) == 0


def test_sigterm_sends_away_who_watches_the_health(launch: Any, publish: Any, base_path: Path) -> None:
    publish("half_plus_two", "1")
    server = launch(*single(base_path), "--enable_grpc_healthcheck_service")
    watch = health_pb2_grpc.HealthStub(server.ready().channel).Watch(health_pb2.HealthCheckRequest(), timeout=25)
    next(watch)
    server.process.terminate()
    with pytest.raises(grpc.RpcError) as error:
        list(watch)
    assert error.value.code() in {grpc.StatusCode.CANCELLED, grpc.StatusCode.UNAVAILABLE}
    assert server.process.wait(10) == 0


def test_sigterm_ends_a_reload_that_waits_for_its_models(
    launch: Any, publish: Any, base_path: Path, eventually: Any
) -> None:
    publish("half_plus_two", "1")
    server = launch(*single(base_path))
    client = server.ready()
    reload = begin_reload(client, n=base_path / "nowhere")
    eventually(lambda: client.states() == {1: END})
    server.process.terminate()
    assert server.process.wait(10) == 0
    assert reload.code() is grpc.StatusCode.UNAVAILABLE
    assert reload.details() == "The server stops; the reload was waiting for its models"


def test_sigterm_does_not_wait_for_what_never_ends(launch: Any, publish: Any, base_path: Path) -> None:
    publish("counter", "1")
    server = launch(*single(base_path), "--drain_seconds=1")
    endless = slow_call(server.ready(), 2**62, 120.0)
    server.process.terminate()
    assert endless.exception().code() in {grpc.StatusCode.CANCELLED, grpc.StatusCode.UNAVAILABLE}
    assert server.process.wait(20) == 0


def test_sigterm_also_ends_a_server_that_still_waits_for_its_model(
    launch: Any, base_path: Path, eventually: Any
) -> None:
    server = launch(*single(base_path))
    eventually(lambda: "No versions of servable m found" in server.log.read_text())
    server.process.terminate()
    assert server.process.wait(30) == 0
