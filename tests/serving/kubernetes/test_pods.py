"""Life and limits of the pods: probes, ends, threads, users, and who reaches whom."""

from pathlib import Path

from gateway.settings import Settings
from serving.modelserver.flags import parse_flags
from transport.health_service import PROCESS

ROOT = Path(__file__).parents[3]


def test_probes_ask_a_port_that_answers_in_plain_text(manifests, room):
    probes = [value for key, value in manifests.container(room).items() if key.endswith("Probe")]
    assert len(probes) >= 2
    ports = manifests.ports(room)
    asked = ports["grpc"] if room == "serving" else ports["health"]
    assert {probe["grpc"]["port"] for probe in probes} == {asked}
    if room != "serving":
        assert manifests.environment(room)[f"{room.upper()}_HEALTH_ADDRESS"] == f"0.0.0.0:{asked}"


def test_a_gateway_whose_serving_is_away_is_not_restarted(manifests):
    assert manifests.container("gateway")["livenessProbe"]["grpc"]["service"] == PROCESS
    assert "service" not in manifests.container("gateway")["readinessProbe"]["grpc"]


def test_whoever_ends_has_the_time_that_it_needs(manifests):
    grace = {room: manifests.pod(room)["terminationGracePeriodSeconds"] for room in manifests.workloads}
    pause = {
        room: manifests.container(room)["lifecycle"]["preStop"]["sleep"]["seconds"] for room in ("gateway", "serving")
    }
    assert grace["gateway"] > pause["gateway"] + Settings().drain_grace_s
    assert grace["serving"] > pause["serving"] > 30  # seconds for which the cluster's DNS may remember an address


def test_serving_has_a_thread_for_every_call_that_gateways_may_have_in_flight(manifests):
    gateways = manifests.of_kind("HorizontalPodAutoscaler")["gateway"]["spec"]["maxReplicas"]
    calls = int(manifests.environment("gateway")["GATEWAY_MAX_CALLS_IN_FLIGHT"]) * Settings().workers
    # Also where only one replica is left. Some threads stay for the looks of each second.
    assert gateways * (calls + 2) <= parse_flags(manifests.container("serving")["args"]).grpc_max_threads
    assert (
        int(manifests.environment("gateway")["GATEWAY_MAX_CALLS_IN_FLIGHT"])
        == 2 * manifests.workloads["serving"]["spec"]["replicas"]
    )


def test_nobody_is_root_or_may_do_what_it_need_not(manifests, room):
    assert manifests.pod(room)["automountServiceAccountToken"] is False
    assert manifests.pod(room)["enableServiceLinks"] is False
    context = manifests.pod(room)["securityContext"]
    assert context["runAsNonRoot"]
    assert context["runAsUser"] >= 10001
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    for image in manifests.containers(room):
        assert image["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert image["resources"]["requests"].keys() == {"cpu", "memory"}
        assert "memory" in image["resources"]["limits"]


def test_users_are_those_of_the_images(manifests):
    for room in ("gateway", "trainer"):
        context = manifests.pod(room)["securityContext"]
        user = f"{context['runAsUser']}:{context['runAsGroup']}"
        assert f"\nUSER {user}\n" in (ROOT / room / "Dockerfile").read_text()
    assert (
        manifests.pod("trainer")["securityContext"]["fsGroup"]
        == manifests.pod("trainer")["securityContext"]["runAsGroup"]
    )


def test_only_the_gateway_is_open_and_only_it_and_the_trainer_reach_serving(manifests):
    reached_by, reaches = {}, {}
    for policy in manifests.of_kind("NetworkPolicy").values():
        spec = policy["spec"]
        for room in manifests.rooms_of(spec["podSelector"]):
            for rule in spec.get("ingress", []):
                assert [port["port"] for port in rule["ports"]] == ["grpc"]
                for peer in rule.get("from", [{"podSelector": {}}]):
                    reached_by.setdefault(room, set()).update(manifests.rooms_of(peer["podSelector"]))
            for rule in spec.get("egress", []):
                for peer in rule["to"]:
                    if "podSelector" in peer:
                        (target,) = manifests.rooms_of(peer["podSelector"])
                        assert [port["port"] for port in rule["ports"]] == [manifests.ports(target)["grpc"]]
                        reaches.setdefault(room, set()).add(target)
    assert reached_by == {
        "gateway": manifests.workloads.keys(),
        "serving": {"gateway", "trainer"},
        "trainer": {"gateway"},
    }
    assert reaches == {"gateway": {"serving", "trainer"}, "trainer": {"serving"}}
    closed = manifests.of_kind("NetworkPolicy")["closed"]["spec"]
    assert closed == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
