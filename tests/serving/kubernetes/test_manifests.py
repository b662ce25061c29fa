"""The Kubernetes manifests agree with Kubernetes, with each other and with the processes: what needs no cluster."""

import re
from pathlib import Path

import kubernetes_validate
import pytest

from gateway.settings import Settings
from serving.modelserver.flags import parse_flags
from trainer.settings import TrainerSettings

ROOT = Path(__file__).parents[3]
OLDEST, NEWEST = "1.30", kubernetes_validate.latest_version().removesuffix(".0")


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_they_are_what_kubernetes_takes(manifests, version):
    """Strictly: a field that the schema does not know is an error."""
    assert len(manifests.resources) > len(manifests.workloads)
    for resource in manifests.resources:
        assert kubernetes_validate.validate(resource, version, strict=True) == version


def test_the_schemas_notice_a_slip_of_the_pen(manifests):
    slip = {**manifests.of_kind("Service")["serving"], "specs": {}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(slip, NEWEST, strict=True)


def test_kustomize_gets_every_file_and_no_two_resources_share_a_name(manifests):
    assert sorted(manifests.kustomization["resources"]) == [path.name for path in manifests.files]
    names = [(resource["kind"], resource["metadata"]["name"]) for resource in manifests.resources]
    assert len(set(names)) == len(names)
    assert manifests.kustomization["namespace"] in manifests.of_kind("Namespace")


def test_images_are_those_of_the_compose_file_and_of_this_version(manifests, compose):
    served = compose["serving"]["image"]
    assert {image["image"] for image in manifests.containers("serving")} == {served}
    version = re.search(r'^version = "(.*)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)[1]
    tags = {image["name"]: image["newTag"] for image in manifests.kustomization["images"]}
    assert tags == {manifests.container(room)["image"]: version for room in ("gateway", "trainer")}


def test_serving_has_the_flags_of_the_compose_file_and_health_for_the_probes(manifests, compose):
    flags = manifests.container("serving")["args"]
    assert set(flags) - set(compose["serving"]["command"]) == {"--enable_grpc_healthcheck_service=true"}
    assert set(compose["serving"]["command"]) <= set(flags)
    assert manifests.container("serving")["command"] == compose["serving"]["entrypoint"]
    parsed = parse_flags(flags)
    assert manifests.ports("serving") == {"grpc": parsed.port, "http": parsed.rest_api_port}


@pytest.mark.parametrize(("room", "settings"), [("gateway", Settings), ("trainer", TrainerSettings)])
def test_variables_are_settings(manifests, room, settings, monkeypatch):
    prefix = settings.model_config["env_prefix"]
    known = {field.validation_alias or f"{prefix}{name.upper()}" for name, field in settings.model_fields.items()}
    assert manifests.environment(room).keys() <= known
    for name, value in manifests.environment(room).items():
        monkeypatch.setenv(name, value)
    settings()


@pytest.mark.parametrize("room", ["gateway", "trainer"])
def test_variables_agree_with_the_compose_file(manifests, compose, room):
    here, given = manifests.environment(room), compose[room]["environment"]
    # What has no value, or asks for a variable, is the caller's.
    there = {name: value for name, value in given.items() if value is not None and not value.startswith("${")}
    assert here.keys() >= there.keys()
    assert {name: here[name].removeprefix("dns:///") for name in there} == there


def test_addresses_are_those_of_services(manifests):
    services = manifests.of_kind("Service")
    addresses = [manifests.environment(room)["SERVING_ADDRESS"] for room in ("gateway", "trainer")]
    for address in (*addresses, manifests.environment("gateway")["TRAINER_ADDRESS"]):
        name, _, port = address.removeprefix("dns:///").partition(":")
        (target,) = services[name]["spec"]["ports"]
        assert services[name]["spec"]["clusterIP"] == "None"
        # Behind a headless Service callers reach the pod's port itself.
        assert target["port"] == int(port) == manifests.ports(name)[target["targetPort"]]
    assert manifests.workloads["trainer"]["spec"]["serviceName"] in services


def test_selectors_find_the_pods(manifests, room):
    assert manifests.rooms_of(manifests.workloads[room]["spec"]["selector"]) == {room}
    service = manifests.of_kind("Service")[room]["spec"]
    assert manifests.rooms_of({"matchLabels": service["selector"]}) == {room}
    assert {port["targetPort"] for port in service["ports"]} <= manifests.ports(room).keys()
    for constraint in manifests.pod(room).get("topologySpreadConstraints", []):
        assert manifests.rooms_of(constraint["labelSelector"]) == {room}


def test_budgets_and_autoscaler_have_their_targets(manifests):
    for name, budget in manifests.of_kind("PodDisruptionBudget").items():
        assert manifests.rooms_of(budget["spec"]["selector"]) == {name}
    for name, autoscaler in manifests.of_kind("HorizontalPodAutoscaler").items():
        target = autoscaler["spec"]["scaleTargetRef"]
        workload = manifests.workloads[target["name"]]
        assert target == {"apiVersion": workload["apiVersion"], "kind": workload["kind"], "name": name}
        assert "replicas" not in workload["spec"]
        assert "cpu" in manifests.container(name)["resources"]["requests"]


def test_no_deployment_has_failed_while_its_pods_may_still_start(manifests):
    for name, deployment in manifests.of_kind("Deployment").items():
        probe = manifests.container(name).get("startupProbe", {})
        start_s = probe.get("periodSeconds", 10) * probe.get("failureThreshold", 3)
        assert deployment["spec"].get("progressDeadlineSeconds", 600) > start_s  # 600 is Kubernetes' own


def test_a_pod_that_is_not_ready_keeps_no_node_from_being_drained(manifests):
    """As those of serving are before there is a version."""
    for budget in manifests.of_kind("PodDisruptionBudget").values():
        assert budget["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow"


def test_volumes_are_there(manifests, room):
    volumes = {volume["name"]: volume for volume in manifests.pod(room)["volumes"]}
    templates = {
        template["metadata"]["name"] for template in manifests.workloads[room]["spec"].get("volumeClaimTemplates", [])
    }
    for image in manifests.containers(room):
        assert {mount["name"] for mount in image["volumeMounts"]} <= volumes.keys() | templates
    for volume in volumes.values():
        if claim := volume.get("persistentVolumeClaim"):
            assert claim["claimName"] in manifests.of_kind("PersistentVolumeClaim")
        elif config := volume.get("configMap"):
            assert config["name"] in manifests.of_kind("ConfigMap")
        else:
            assert volume["emptyDir"] == {}


def test_the_trainer_writes_models_where_serving_reads_them(manifests, monkeypatch):
    monkeypatch.setenv("DATA_ROOT", "/data")  # as its image has it
    for name, value in manifests.environment("trainer").items():
        monkeypatch.setenv(name, value)
    settings = TrainerSettings()
    mounts = {room: manifests.mounts(room) for room in ("serving", "trainer")}
    inside, outside = (mounts[room]["models"]["mountPath"] for room in ("serving", "trainer"))
    assert str(settings.model_dir).replace(outside, inside) == settings.serving_base_path
    config = str(settings.models_config).replace(outside, inside)
    assert parse_flags(manifests.container("serving")["args"]).model_config_file == config
    assert config in manifests.pod("serving")["initContainers"][0]["command"][-1]
    assert mounts["trainer"]["data"]["mountPath"] == str(settings.data_root)
    assert all(
        m["readOnly"] for image in manifests.containers("serving") for m in image["volumeMounts"] if m["name"] != "tmp"
    )
    assert not mounts["trainer"]["models"].get("readOnly")
    assert manifests.of_kind("PersistentVolumeClaim")["models"]["spec"]["accessModes"] == ["ReadWriteMany"]


def test_the_configs_are_those_beside_it(manifests):
    mounted = manifests.mounts("serving")["config"]["mountPath"]
    file = Path(parse_flags(manifests.container("serving")["args"]).monitoring_config_file)
    assert str(file.parent) == mounted
    assert manifests.of_kind("ConfigMap")["serving-config"]["data"] == {
        name: (ROOT / "serving" / name).read_text() for name in (file.name, "batching.config")
    }


def test_the_version_that_is_copied_to_begin_with_is_the_one_that_is_promoted():
    readme = (ROOT / "serving/k8s/README.md").read_text()
    copied = set(re.findall(r"/brain_tumor/(?:\.unfinished-)?(\d+)", readme))
    assert copied == set(re.findall(r"braintumor promote (\d+)", readme))
    (version,) = copied
    assert (ROOT / "data/models/brain_tumor" / version).is_dir()
