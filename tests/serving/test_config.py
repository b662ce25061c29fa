"""Configuration: files, reloads over gRPC, labels, version policies."""

from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from serving.modelserver.config import local_base_path, platform, single_model_config
from serving.modelserver.errors import InvalidArgumentError, NotFoundError
from serving.modelserver.source import aspired_versions
from tfserving_api.messages import ModelServerConfig, ReloadConfigRequest

AVAILABLE, END = 30, 50
X = {"x": np.array([2.0], np.float32)}


def config(*models: dict[str, Any]) -> Any:
    result = ModelServerConfig()
    result.model_config_list.SetInParent()
    for model in models:
        result.model_config_list.config.add(**{"model_platform": "tensorflow", **model})
    return result


def reload(client: Any, *models: dict[str, Any], metric_names: tuple[str, ...] = ()) -> Any:
    return client.call(
        "HandleReloadConfigRequest", ReloadConfigRequest(config=config(*models), metric_names=metric_names)
    )


def refusal(client: Any, *models: dict[str, Any]) -> tuple[str, str]:
    with pytest.raises(grpc.RpcError) as error:
        reload(client, *models)
    return error.value.code().name, error.value.details()


@pytest.fixture
def client(launch: Any, publish: Any, base_path: Path, eventually: Any) -> Any:
    """A server of model m: version 1 is half plus two, version 2 half plus three; all versions are loaded."""
    publish("half_plus_two", "1")
    publish("half_plus_three", "2")
    file = base_path.with_name("models.config")
    file.write_text(str(config({"name": "m", "base_path": str(base_path), "model_version_policy": {"all": {}}})))
    client = launch(f"--model_config_file={file}", "--max_num_load_retries=0").ready()
    eventually(lambda: client.states() == {1: AVAILABLE, 2: AVAILABLE})  # the port opens at the first of them
    return client


def test_a_reload_adds_removes_and_waits_for_new_models(
    client: Any, publish: Any, base_path: Path, eventually: Any
) -> None:
    other = base_path.with_name("other")
    publish("half_plus_three", "7", other)
    response = reload(
        client,
        {"name": "other", "base_path": str(other)},
        metric_names=("/tensorflow/cc/saved_model/load_attempt_count", "/nope", "/nope"),
    )
    assert client.half({"name": "other"}) == 4.0
    assert response.status.error_code == 0
    assert [(metric.name, metric.int64_value_increase) for metric in response.metric] == [
        ("/tensorflow/cc/saved_model/load_attempt_count", 1),
        ("/nope", 0),
    ]
    eventually(lambda: client.states() == {2: END, 1: END})
    reload(client)
    eventually(lambda: client.states("other") == {7: END})


def test_a_base_path_may_be_a_uri_of_the_local_file_system(launch: Any, publish: Any, base_path: Path) -> None:
    publish("half_plus_two", "1")
    client = launch("--model_name=m", f"--model_base_path=file://{base_path}").ready()
    assert client.half() == 3.0
    reload(client, {"name": "n", "base_path": f"file://localhost{base_path}"})
    assert client.half({"name": "n"}) == 3.0


def test_a_reload_of_a_new_model_that_does_not_load_says_why_and_the_same_again_is_fine(
    client: Any, publish: Any, base_path: Path
) -> None:
    broken = base_path.with_name("broken")
    publish("no_variables", "3", broken)
    models = ({"name": "m", "base_path": str(base_path)}, {"name": "broken", "base_path": str(broken)})
    code, details = refusal(client, *models)
    assert code == "UNKNOWN"
    assert details.startswith(
        "1 model(s) did not become available: {{{name: broken version: 3} due to error: NOT_FOUND: "
    )
    assert reload(client, *models).status.error_code == 0
    assert client.half() == 4.0


def test_a_reload_removes_models_also_while_a_base_path_is_gone(
    client: Any, publish: Any, base_path: Path, eventually: Any
) -> None:
    other = base_path.with_name("other")
    publish("half_plus_three", "7", other)
    reload(client, {"name": "m", "base_path": str(base_path)}, {"name": "other", "base_path": str(other)})
    base_path.rename(base_path.with_name("gone"))
    reload(client, {"name": "m", "base_path": str(base_path)})
    eventually(lambda: client.states("other") == {7: END})
    assert client.half() == 4.0


def test_names_that_are_whole_numbers_of_64_bits_are_versions_and_of_two_the_last_is_served(
    base_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    names = {"0": 0, "00000007": 7, "+8": 8, "01": None, "1": 1, str(2**63 - 1): 2**63 - 1}
    for name in (*names, str(2**63), "-3", "1_0", "v2", ".5", "6.tmp", "tmp"):
        (base_path / name).mkdir()
    empty = {"name": "none", "base_path": str(base_path / "tmp")}
    models = config({"name": "m", "base_path": str(base_path), "model_version_policy": {"all": {}}}, empty)
    found = {version: base_path / name for name, version in names.items() if version is not None}
    assert aspired_versions(models.model_config_list.config) == {"m": found, "none": {}}
    assert caplog.messages == [
        f"m: version 1 is there more than once; serving {base_path / '1'}",
        f"No versions of servable none found under base path {base_path / 'tmp'}",
    ]


def test_versions_that_are_asked_for_and_not_there_are_told(base_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (base_path / "1").mkdir()
    for wanted in ([9, 1, 4], [1], [9]):
        model = {"name": "m", "base_path": str(base_path), "model_version_policy": {"specific": {"versions": wanted}}}
        chosen = aspired_versions(config(model).model_config_list.config)["m"]
        assert chosen == ({1: base_path / "1"} if 1 in wanted else {})
    assert caplog.messages == [
        "Versions [4, 9] of servable m, which its config asks for, were not found",
        "Versions [9] of servable m, which its config asks for, were not found",
        "No versions of servable m are aspired: unloading all",
    ]


def test_a_base_path_of_the_command_line_may_be_relative() -> None:
    (model,) = single_model_config("m", "models/m").model_config_list.config
    assert local_base_path(model) == Path.cwd() / "models/m"


def test_the_deprecated_model_type_stands_for_tensorflow_alone_and_for_nothing_else() -> None:
    (old,) = config({"name": "m", "model_type": 1, "model_platform": ""}).model_config_list.config
    assert platform(old) == "tensorflow"
    for model, text in (
        ({"model_type": 1}, "Illegal setting both "),
        ({"model_type": 2, "model_platform": ""}, "choice 2"),
    ):
        (bad,) = config({"name": "m", **model}).model_config_list.config
        with pytest.raises(InvalidArgumentError, match=text):
            platform(bad)


@pytest.mark.parametrize("name", ["nowhere", "null\0"])
def test_a_path_that_is_none_changes_nothing_of_any_model(base_path: Path, name: str) -> None:
    models = config({"name": "m", "base_path": str(base_path)}, {"name": "n", "base_path": str(base_path / name)})
    with pytest.raises(NotFoundError, match=r"^Could not find base path /.* for servable n with error "):
        aspired_versions(models.model_config_list.config)


def test_impossible_configs_are_refused_with_the_words_of_the_original(client: Any, base_path: Path) -> None:
    good = {"name": "m", "base_path": str(base_path)}
    assert refusal(client, good, good) == ("INVALID_ARGUMENT", "Illegal to list model m multiple times in config list")
    assert refusal(client, {"name": "m", "base_path": "models/m"}) == (
        "INVALID_ARGUMENT",
        "Expected model m to have an absolute path or URI; got base_path()=models/m",
    )
    assert refusal(client, {"name": "m", "base_path": "file_s://models/m"})[1].startswith("Expected model m to have an")
    assert refusal(client, {"name": "m", "base_path": "s3://models/m"}) == (
        "UNIMPLEMENTED",
        "File system scheme 's3' not implemented (file: 's3://models/m'); "
        "this stand-in for TensorFlow Serving reads local files only",
    )
    assert refusal(client, {**good, "name": "n", "model_platform": ""}) == (
        "INVALID_ARGUMENT",
        "Illegal setting neither ModelServerConfig::model_type (deprecated) nor ModelServerConfig::model_platform, "
        "model name is n",
    )
    caffe = {**good, "name": "n", "model_platform": "caffe"}
    assert refusal(client, caffe) == (
        "INVALID_ARGUMENT",
        "Model n requests unsupported platform caffe",
    )
    assert refusal(client, {**good, "model_platform": "caffe"}) == (
        "INVALID_ARGUMENT",
        "Illegal to change a model's platform. For model m platform was tensorflow and new platform requested is caffe",
    )
    assert refusal(client, caffe, {**good, "model_platform": "pytorch"})[1].startswith("Illegal to change a model's")
    assert refusal(client, caffe, {**good, "version_labels": {"stable": 9}})[0] == "FAILED_PRECONDITION"
    with pytest.raises(grpc.RpcError) as error:
        client.call("HandleReloadConfigRequest", ReloadConfigRequest())
    assert error.value.details() == (
        "ServerModelConfig type not supported by HandleReloadConfigRequest. Only ModelConfigList is currently supported"
    )
    assert client.half() == 4.0


def test_labels_move_as_one_and_only_to_available_versions(client: Any, base_path: Path) -> None:
    model = {"name": "m", "base_path": str(base_path), "model_version_policy": {"all": {}}}
    stable, canary = ({"name": "m", "version_label": label} for label in ("stable", "canary"))
    reload(client, {**model, "version_labels": {"stable": 1, "canary": 2}})
    assert (client.half(stable), client.half(canary)) == (3.0, 4.0)
    assert client.metadata(stable).model_spec.version.value == 1
    assert refusal(client, {**model, "version_labels": {"stable": 2, "canary": 3}}) == (
        "FAILED_PRECONDITION",
        "Request to assign label to version 3 of model m, which is not currently available for inference",
    )
    assert client.half(stable) == 3.0
    reload(client, {**model, "version_labels": {"stable": 2}})
    assert client.half(stable) == 4.0
    with pytest.raises(grpc.RpcError) as error:
        client.half(canary)
    assert error.value.details() == "Unrecognized servable version label: canary"


def test_with_the_flag_a_new_label_may_come_before_its_version(
    launch: Any, publish: Any, base_path: Path, eventually: Any
) -> None:
    publish("half_plus_two", "1")
    model = {"name": "m", "base_path": str(base_path), "model_version_policy": {"all": {}}}
    file = base_path.with_name("models.config")
    file.write_text(str(config({**model, "version_labels": {"stable": 1, "next": 2}})))
    client = launch(f"--model_config_file={file}", "--allow_version_labels_for_unavailable_models").ready()
    assert client.half({"name": "m", "version_label": "stable"}) == 3.0
    with pytest.raises(grpc.RpcError) as error:
        client.half({"name": "m", "version_label": "next"})
    assert error.value.details() == "Servable not found for request: Specific(m, 2)"
    assert refusal(client, {**model, "version_labels": {"stable": 3}})[0] == "FAILED_PRECONDITION"
    publish("half_plus_three", "2")
    eventually(lambda: client.states() == {2: AVAILABLE, 1: AVAILABLE})
    assert client.half({"name": "m", "version_label": "next"}) == 4.0


def test_without_the_flag_a_config_file_with_labels_cannot_start(launch: Any, publish: Any, base_path: Path) -> None:
    publish("half_plus_two", "1")
    file = base_path.with_name("models.config")
    file.write_text(str(config({"name": "m", "base_path": str(base_path), "version_labels": {"stable": 1}})))
    server = launch(f"--model_config_file={file}")
    assert "FAILED_PRECONDITION: Request to assign label to version 1 of model m" in server.process.stdout.read()
    assert server.process.wait(30) == 255


@pytest.mark.parametrize(
    ("policy", "served"),
    [
        ({"latest": {}}, {2}),
        ({"latest": {"num_versions": 2}}, {2, 1}),
        ({"all": {}}, {2, 1}),
        ({"specific": {"versions": [1, 9]}}, {1}),
        ({"specific": {}}, set()),
    ],
)
def test_the_version_policy_picks_from_what_is_on_disk(
    client: Any, base_path: Path, eventually: Any, policy: Any, served: set[int]
) -> None:
    reload(client, {"name": "m", "base_path": str(base_path), "model_version_policy": policy})
    eventually(lambda: client.states() == {version: AVAILABLE if version in served else END for version in (2, 1)})


def test_the_config_file_is_read_again_and_a_broken_one_changes_nothing(
    launch: Any, publish: Any, base_path: Path, eventually: Any
) -> None:
    publish("half_plus_two", "1")
    other = base_path.with_name("other")
    publish("half_plus_three", "5", other)
    file = base_path.with_name("models.config")
    m = {"name": "m", "base_path": str(base_path)}

    def replace(text: str) -> None:
        file.with_suffix(".new").write_text(text)
        file.with_suffix(".new").rename(file)

    replace(str(config(m)))
    server = launch(f"--model_config_file={file}", "--model_config_file_poll_wait_seconds=1")
    client = server.ready()
    replace("improperly formatted file")
    eventually(lambda: "Error parsing text-format tensorflow.serving.ModelServerConfig" in server.log.read_text())
    assert client.half() == 3.0
    waiting = {"name": "waiting", "base_path": str(base_path.with_name("nowhere"))}
    replace(str(config(m, {"name": "other", "base_path": str(other)})))
    eventually(lambda: client.states("other") == {5: AVAILABLE})
    replace(str(config(m, waiting)))
    replace(str(config({**m, "version_labels": {"stable": 1}})))
    eventually(lambda: client.states("other") == {5: END})
    assert client.half({"name": "m", "version_label": "stable"}) == 3.0


def test_a_config_file_that_does_not_parse_ends_the_start(launch: Any, tmp_path: Path) -> None:
    file = tmp_path / "bad.config"
    file.write_text("improperly formatted file")
    server = launch(f"--model_config_file={file}")
    assert server.process.stdout.read() == (
        f"Failed to start server. Error: INVALID_ARGUMENT: Invalid protobuf file: '{file}'\n"
    )
    assert server.process.wait(30) == 255
    assert "Error parsing text-format tensorflow.serving.ModelServerConfig: 1:" in server.log.read_text()
