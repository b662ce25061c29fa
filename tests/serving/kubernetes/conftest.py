"""The Kubernetes manifests, read."""

from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[3]


class Manifests:
    """All resources of `serving/k8s/`. A room is a workload: gateway, serving or trainer."""

    directory = ROOT / "serving" / "k8s"

    def __init__(self) -> None:
        self.files = sorted(path for path in self.directory.glob("*.yaml") if path.name != "kustomization.yaml")
        self.kustomization = yaml.safe_load((self.directory / "kustomization.yaml").read_text())
        self.resources = [resource for path in self.files for resource in yaml.safe_load_all(path.read_text())]
        self.workloads = self.of_kind("Deployment") | self.of_kind("StatefulSet")

    def of_kind(self, kind: str) -> dict[str, Any]:
        """Resources by name."""
        return {resource["metadata"]["name"]: resource for resource in self.resources if resource["kind"] == kind}

    def pod(self, room: str) -> Any:
        return self.workloads[room]["spec"]["template"]["spec"]

    def containers(self, room: str) -> list[Any]:
        """The room's container, and those that run before it."""
        return [*self.pod(room).get("initContainers", []), *self.pod(room)["containers"]]

    def container(self, room: str) -> Any:
        (found,) = self.pod(room)["containers"]
        assert found["name"] == room
        return found

    def environment(self, room: str) -> dict[str, str]:
        return {variable["name"]: variable["value"] for variable in self.container(room).get("env", [])}

    def ports(self, room: str) -> dict[str, int]:
        return {port["name"]: port["containerPort"] for port in self.container(room)["ports"]}

    def mounts(self, room: str) -> dict[str, Any]:
        return {mount["name"]: mount for mount in self.container(room)["volumeMounts"]}

    def rooms_of(self, selector: Any) -> set[str]:
        """Workloads whose pods a label selector chooses."""
        labels = {room: workload["spec"]["template"]["metadata"]["labels"] for room, workload in self.workloads.items()}
        if expressions := selector.get("matchExpressions"):
            (expression,) = expressions
            assert expression["operator"] == "In"
            return {room for room in labels if labels[room].get(expression["key"]) in expression["values"]}
        wanted = selector.get("matchLabels", {}).items()
        return {room for room in labels if wanted <= labels[room].items()}


@pytest.fixture(scope="session")
def manifests() -> Manifests:
    """As they are in the repository."""
    return Manifests()


@pytest.fixture(scope="session")
def compose() -> Any:
    """Services of docker-compose.yml."""
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]


@pytest.fixture(params=["gateway", "serving", "trainer"])
def room(request: pytest.FixtureRequest) -> str:
    """Each workload in turn."""
    return str(request.param)
