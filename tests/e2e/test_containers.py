"""Container files: what can be told without an engine."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from braintumor.loopback import is_loopback
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format, wrappers_pb2

from gateway.settings import Settings
from serving.modelserver.flags import parse_flags
from serving.modelserver.monitoring import prometheus_path
from tfserving_api.messages import ModelServerConfig
from trainer.rollout.files import RolloutFiles
from trainer.settings import TrainerSettings

ROOT = Path(__file__).parents[2]
COMPOSE = (ROOT / "docker-compose.yml").read_text()
WATCHERS = ["prometheus", "grafana", "jaeger"]
DOCKERFILES = [ROOT / "gateway" / "Dockerfile", ROOT / "trainer" / "Dockerfile"]


def service(name: str) -> str:
    """The lines of one service."""
    found = re.search(rf"^  {name}:\n((?:    .*\n|\n)+)", COMPOSE, re.MULTILINE)
    assert found, name
    return found[1]


def mounts(name: str) -> dict[str, tuple[Path, str]]:
    """Where in the container each path of the repository is mounted, and how."""
    found = re.findall(r"^ +- \./([\w./]+):([\w./]+)(?::(\w+))?$", service(name), re.MULTILINE)
    return {source: (Path(target), mode) for source, target, mode in found}


def flags() -> dict[str, str]:
    return dict(re.findall(r"^ +- --(\w+)=(\S+)$", service("serving"), re.MULTILINE))


def batching_parameters_class() -> Any:
    """tensorflow.serving.BatchingParameters, as far as it is used; tensorflow-serving-api does not ship it."""
    field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="batching.proto", package="tensorflow.serving", syntax="proto3")
    file.dependency.append("google/protobuf/wrappers.proto")
    message = file.message_type.add(name="BatchingParameters")
    names = ("max_batch_size", "batch_timeout_micros", "max_enqueued_batches", "num_batch_threads")
    for number, name in enumerate(names, 1):
        message.field.add(
            name=name,
            number=number,
            type=field.TYPE_MESSAGE,
            type_name=".google.protobuf.Int64Value",
            label=field.LABEL_OPTIONAL,
        )
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(wrappers_pb2.DESCRIPTOR.serialized_pb)
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("tensorflow.serving.BatchingParameters"))


def environment(name: str) -> dict[str, str]:
    return dict(re.findall(r'^      ([A-Z_]+): "?([^"\n]+)"?$', service(name), re.MULTILINE))


def test_the_config_for_serving_alone_names_the_model_that_the_gateway_asks_for():
    config = text_format.Parse((ROOT / "serving" / "models.config").read_text(), ModelServerConfig())
    (model,) = config.model_config_list.config
    assert model.name == Settings().model_name
    assert model.model_platform == "tensorflow"
    assert model.model_version_policy.latest.num_versions == 2
    assert model.base_path == f"{mounts('serving')['data/models'][0]}/{model.name}"


def test_serving_reads_the_config_that_the_trainer_writes_and_finds_the_versions(tmp_path, monkeypatch):
    (tmp_path / "models/brain_tumor/1").mkdir(parents=True)
    monkeypatch.setenv("DATA_ROOT", str(tmp_path))
    for name, value in environment("trainer").items():
        monkeypatch.setenv(name, value)
    settings = TrainerSettings()
    RolloutFiles(settings).ensure()

    (written,) = (path.relative_to(tmp_path) for path in tmp_path.rglob("models.config"))
    config = text_format.Parse((tmp_path / written).read_text(), ModelServerConfig())

    inside, mode = mounts("serving")["data/models"]
    assert flags()["model_config_file"] == str(inside / written.relative_to("models"))
    assert config.model_config_list.config[0].base_path == str(inside / "brain_tumor")
    assert mode == "ro"


def test_monitoring_is_on_a_path_of_its_own():
    assert (prometheus_path(ROOT / "serving" / "monitoring.config") or "").startswith("/")


def test_batches_are_those_of_the_gateway():
    text = (ROOT / "serving" / "batching.config").read_text()
    parameters = text_format.Parse(text, batching_parameters_class()())
    assert parameters.max_batch_size.value == Settings().max_batch_size
    assert parameters.batch_timeout_micros.value == 0
    named = re.search(r"--batching_parameters_file=(\S+)", text)
    assert named
    assert dict(mounts("serving").values())[Path(named[1])] == "ro"


def test_the_monitoring_config_is_mounted_read_only():
    mounted = {target: (source, mode) for source, (target, mode) in mounts("serving").items()}
    source, mode = mounted[Path(flags()["monitoring_config_file"])]
    assert (ROOT / source).is_file()
    assert mode == "ro"


def test_serving_has_a_thread_for_every_call_that_the_gateway_may_have_in_flight():
    assert int(flags()["grpc_max_threads"]) > Settings().max_calls_in_flight * Settings().workers


def test_metrics_have_the_port_that_they_need():
    assert flags()["rest_api_port"] != flags()["port"]


def test_of_the_three_only_the_gateway_is_published_and_all_only_to_this_machine():
    published = re.findall(r"ports: (.*)", COMPOSE)
    assert len(published) == 1 + len(WATCHERS)
    assert all(re.fullmatch(r'\["(\$\{PUBLISHED_ADDRESS:-)?127\.0\.0\.1:\d+}?:\d+"]', ports) for ports in published)
    assert re.search(r'ports: \["\$\{PUBLISHED_ADDRESS:-127\.0\.0\.1:50051}:50051"]', service("gateway"))


@pytest.mark.parametrize("name", ["gateway", "serving", "trainer", *WATCHERS])
def test_no_service_is_root_or_writes_where_it_need_not(name):
    lines = service(name)
    assert re.search(r'user: "(\$\{DATA_OWNER:-)?[1-9]\d*:[1-9]\d*}?"', lines)
    assert "read_only: true" in lines
    assert "cap_drop: [ALL]" in lines
    assert "no-new-privileges:true" in lines


def test_images_are_pinned():
    images = re.findall(r"image: (\S+)", COMPOSE)
    for dockerfile in DOCKERFILES:
        stages = set(re.findall(r" AS (\w+)", dockerfile.read_text()))
        images += [
            image for image in re.findall(r"^FROM (\S+)", dockerfile.read_text(), re.MULTILINE) if image not in stages
        ]
    assert len(images) == 3 + len(WATCHERS)
    assert all(re.search(r":v?\d+\.\d+\.\d+", image) for image in images)


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: path.parent.name)
def test_what_is_copied_is_there_and_in_the_build_context(dockerfile):
    ignore = (ROOT / ".dockerignore").read_text().splitlines()
    allowed = tuple(line[1:].rstrip("/") for line in ignore if line.startswith("!"))
    for source in re.findall(r"^COPY ([\w./]+) \S+$", dockerfile.read_text(), re.MULTILINE):
        assert (ROOT / source).exists(), source
        assert source.startswith(allowed), source


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: path.parent.name)
def test_the_process_in_the_image_is_not_root(dockerfile):
    last_stage = dockerfile.read_text().rsplit("FROM", 1)[1]
    assert re.findall(r"^USER (.*)$", last_stage, re.MULTILINE) == ["10001:10001"]


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: path.parent.name)
def test_the_image_asks_a_port_that_answers_whatever_tls_the_other_one_has(dockerfile, monkeypatch):
    """The probe is one of ours, and its port one that the image's own environment opens to nobody else."""
    written = dockerfile.read_text().replace("\\\n", "")
    (command,) = re.findall(r"^HEALTHCHECK .* CMD (\[.*\])$", written, re.MULTILINE)
    *probe, address = json.loads(command)
    assert probe == ["python", "-m", "transport.health"]
    for name, value in re.findall(r" ((?:GATEWAY|TRAINER)_\w+)=(\S+)", written):
        monkeypatch.setenv(name, value)
    settings = Settings() if dockerfile.parent.name == "gateway" else TrainerSettings()
    assert settings.health_address == address
    assert is_loopback(address)
    assert "healthcheck:" not in service(dockerfile.parent.name)


def test_the_gateway_image_holds_no_tensorflow():
    requirements = (ROOT / "requirements" / "gateway.txt").read_text()
    assert not re.search(r"^(tensorflow|keras|pandas)", requirements, re.MULTILINE)
    last_stage = (ROOT / "gateway" / "Dockerfile").read_text().rsplit("FROM", 1)[1]
    assert re.findall(r"--from=descriptors (\S+)", last_stage) == ["/src/tfserving_api/descriptors.binpb"]


def test_compose_takes_the_file():
    tool = shutil.which("docker-compose")
    if tool is None:
        pytest.skip("docker-compose is not installed")
    done = subprocess.run(
        [tool, "--file", ROOT / "docker-compose.yml", "config", "--quiet"], capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()


def test_the_stand_in_takes_every_flag_that_serving_is_given():
    """It takes tensorflow_model_server's flags and no others, so a slip of the pen shows."""
    command = re.findall(r"^ +- (--\S+)$", service("serving"), re.MULTILINE)
    assert parse_flags(command).model_config_file == flags()["model_config_file"]
